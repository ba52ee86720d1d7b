-- Prompts in the manner of SimpleStories (Finke et al. 2025, arXiv:2504.09184): theme, topic,
-- style, feature, persona, grammar and opening word are drawn apart, so that stories differ in
-- more than their nouns, and are kept as labels.
return {
  name = "simplestories",
  slots = {
    {name = "theme", words = [[
      friendship, courage, kindness, honesty, hope, family, loss, growing up, patience, trust,
      curiosity, belonging, sharing, forgiveness, teamwork, loneliness, dreams, jealousy,
      generosity, adventure, home, change, responsibility, gratitude, self-acceptance, peace,
      betrayal, celebration, memory, wonder, fairness, perseverance, humility, freedom, humour,
      love]]},
    {name = "topic", words = [[
      a hidden treasure, a talking animal, a lost toy, a school play, a rainy day,
      a secret garden, space travel, a haunted house, a magic door, a snow storm, a market day,
      a journey by train, the deep sea, a birthday, a new neighbour, robots, dragons,
      a broken bridge, a music lesson, a holiday at the sea, a bakery, a night in the forest,
      a race, a mysterious map, the weather, an old lighthouse, a kite contest, an island,
      a giant, a lost letter, a clock that stopped, fairies, a riddle, a strange dream,
      the first day at school, a river, a library, a circus, a pirate ship, an unusual pet]]},
    {name = "style", words = [[
      fable, fairy tale, adventure, mystery, comedy, bedtime story, legend, diary, letter,
      slice of life, tall tale, lyric tale, detective story, science fiction, ghost story, myth]]},
    {name = "feature", words = [[
      dialogue, a moral lesson, a twist, foreshadowing, a surprise ending, an inner monologue,
      a story within the story, a circular ending, repetition of a phrase, a sense of place,
      an open ending, a rhyme, a flashback, irony, vivid smells and sounds, none in particular]]},
    {name = "persona", words = [[
      a grandmother by the fire, a curious child, a teacher, a sailor, a careful scientist,
      a poet, a tired parent, a travelling musician, a gardener, a shy student, an explorer,
      a cook, a joker, a shepherd, a nurse, somebody who misses home]]},
    {name = "grammar", words = [[
      past tense, present tense, past perfect, future tense, progressive aspect, passive voice,
      short sentences, questions, comparatives, conditional sentences, first person,
      second person, relative clauses, direct speech, adverbs of time, none in particular]]},
    {name = "opening", words = [[
      A, After, All, Along, Although, An, As, At, Before, Behind, Beneath, Between, Beyond, By,
      Deep, Down, Each, Early, Every, Everyone, Far, From, High, His, Her, How, If, In, Inside,
      It, Just, Last, Late, Long, Many, Maybe, My, Near, Nobody, Not, Now, On, Once, One, Only,
      Our, Outside, Over, Perhaps, Quietly, She, Slowly, Some, Sometimes, Soon, Suddenly, The,
      There, They, This, Through, Today, Under, Up, We, What, When, Where, While, Who, With,
      Without, Yesterday, You]]},
    {name = "paragraphs", words = "2, 3, 4, 5, 6"},
  },
  form = "opening",
  forms = {
    -- For models that only go on with a story.
    opening = "{{ opening }}",
    -- For models that follow instructions.
    request = "Write a story of {{ paragraphs }} paragraphs in simple language. "
      .. "Theme: {{ theme }}. Topic: {{ topic }}. Style: {{ style }}. Feature: {{ feature }}. "
      .. "Grammar: {{ grammar }}. Write it as {{ persona }} would tell it. "
      .. "The first word is \"{{ opening }}\".",
  },
}
