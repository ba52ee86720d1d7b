-- Prompts in the manner of TinyStories (Eldan and Li 2023, arXiv:2305.07759): for each story a
-- verb, a noun and an adjective that a small child knows, and some features that it shall have.
return {
  name = "tinystories",
  slots = {
    {name = "verb", words = [[
      add, answer, ask, bake, bounce, bring, brush, build, bump, call, care, carry, catch, chase,
      cheer, clap, clean, climb, comb, cook, count, cover, crawl, cut, dance, dig, draw, dream,
      dress, drink, drive, drop, eat, explore, fall, feed, feel, fight, fill, find, fish, fix,
      float, fly, fold, follow, forget, forgive, gather, give, glow, go, grow, guess, hang, hear,
      help, hide, hop, hug, hum, hurry, invite, jump, keep, kick, kiss, knock, laugh, lead, learn,
      leave, lend, lift, listen, look, lose, love, make, march, measure, meet, melt, mix, move,
      nap, open, paint, pack, pick, plant, play, point, pour, pretend, promise, pull, push, race,
      reach, read, rest, return, ride, ring, roll, rub, run, save, search, see, send, share,
      shine, shout, show, sing, sit, skip, sleep, slide, smell, smile, sneeze, spin, splash,
      spread, stay, stir, stop, stretch, swim, swing, talk, taste, teach, tell, thank, throw,
      tidy, tie, touch, trade, travel, trust, try, turn, visit, wait, wake, walk, wash, watch,
      water, wave, whisper, win, wish, wonder, work, wrap, write, yawn]]},
    {name = "noun", words = [[
      acorn, apple, balloon, banana, band, barn, basket, bath, beach, bean, bear, bed, bee, bell,
      bike, bird, blanket, block, boat, bone, book, boot, bottle, bow, bowl, box, branch, bread,
      bridge, broom, brush, bucket, bug, bus, bush, button, cake, camera, candle, car, card,
      carpet, carrot, cart, castle, cat, cave, chain, chair, chest, chicken, circle, clock, cloud,
      coat, coin, cookie, corner, cow, crayon, crown, cup, curtain, desk, dog, doll, donkey, door,
      dragon, drawer, dress, drum, duck, egg, engine, fan, farm, feather, fence, field, fish,
      flag, flower, flute, forest, fork, fox, frog, garden, gate, ghost, giant, gift, glass,
      glove, goat, goose, guitar, hammer, hat, hen, hill, hole, horn, horse, house, island,
      jacket, jar, jewel, kettle, key, king, kitchen, kite, kitten, ladder, lake, lamb, lamp,
      leaf, lemon, letter, lion, lizard, lock, machine, magnet, map, mask, mat, mirror, monkey,
      moon, mountain, mouse, mushroom, nail, nest, net, nut, oak, ocean, onion, orange, oven, owl,
      page, pan, park, parrot, path, pear, pebble, pen, pencil, penny, piano, picture, pie, pig,
      pillow, pipe, plane, plant, plate, pond, pony, potato, prize, pumpkin, puppet, puppy,
      puzzle, queen, rabbit, radio, rainbow, ribbon, ring, river, road, robot, rock, rocket, roof,
      room, rope, rose, sandwich, scarf, school, seed, shadow, sheep, shell, ship, shirt, shoe,
      shop, shovel, sign, skirt, slide, snail, snake, snowman, sock, sofa, song, soup, spider,
      spoon, squirrel, stair, star, stick, stone, storm, stove, sweater, swing, table, tail, tent,
      tower, town, toy, train, treasure, tree, truck, trumpet, tunnel, turtle, umbrella, van,
      vase, village, violin, wagon, wall, watch, whale, wheel, whistle, window, wing, wizard,
      wolf, yard, zebra]]},
    {name = "adjective", words = [[
      amazing, ancient, angry, bad, beautiful, big, bitter, black, blue, bold, brave, bright,
      broken, brown, busy, calm, careful, careless, cheerful, clean, clever, cold, colourful,
      cool, cosy, crazy, cruel, curious, cute, dark, deep, delicate, different, dirty, dry, dull,
      dusty, eager, early, easy, empty, enormous, excited, fancy, fast, fat, fierce, fine, flat,
      fluffy, fragile, free, fresh, friendly, full, funny, furry, gentle, gloomy, good, graceful,
      grateful, gray, great, green, grumpy, happy, hard, harmless, healthy, heavy, helpful,
      helpless, high, hot, huge, hungry, icy, jolly, kind, large, lazy, light, little, lively,
      lonely, long, loud, lovely, lucky, mad, magic, messy, mild, modern, muddy, mysterious,
      narrow, naughty, neat, new, nice, noisy, obedient, odd, old, orange, ordinary, patient,
      perfect, pink, plain, playful, polite, poor, popular, precious, pretty, proud, purple,
      quick, quiet, rare, red, reliable, rich, ripe, rough, round, rude, sad, safe, scared,
      selfish, shiny, short, shy, silly, silver, simple, skinny, sleepy, slow, small, smart,
      smooth, soft, sour, special, spicy, spotted, square, sticky, stormy, strange, strong,
      stubborn, sunny, sweet, tall, tame, tender, thick, thin, tidy, tight, tiny, tired, tough,
      ugly, unknown, upset, useful, useless, warm, weak, weird, wet, white, wide, wild, wise,
      wooden, yellow, young]]},
    {name = "features", subset = true, words = [[
      Dialogue, BadEnding, MoralValue, Twist, Foreshadowing, Conflict]]},
    {name = "name", words = [[
      Amy, Anna, Ben, Bob, Daisy, Ella, Emma, Jack, Jane, Jill, Joe, John, Kitty, Leo, Lily, Lucy,
      Max, Mia, Molly, Sam, Sara, Spot, Sue, Tim, Timmy, Tom, Tommy, Zoe]]},
  },
  form = "opening",
  forms = {
    -- For models that only go on with a story.
    opening = {
      "Once upon a time, {{ name }} had {{ a_adjective }} {{ noun }}. One day, {{ name }} wanted "
        .. "to {{ verb }}.",
      "One day, {{ name }} saw {{ a_adjective }} {{ noun }}. {{ name }} wanted to {{ verb }}.",
      "{{ name }} liked to {{ verb }}. One day, {{ name }} found {{ a_adjective }} {{ noun }}.",
      "There was {{ a_adjective }} {{ noun }} near the house of {{ name }}. Every day, {{ name }} "
        .. "went there to {{ verb }}.",
    },
    -- For models trained on TinyStories-Instruct.
    instruct = "Features: {{ features }}\nWords: {{ verb }}, {{ noun }}, {{ adjective }}\nStory:",
    -- For models that follow instructions.
    request = "Write a short story of three to five paragraphs in very simple words that a child "
      .. "of three years understands. It should use the verb \"{{ verb }}\", the noun "
      .. "\"{{ noun }}\" and the adjective \"{{ adjective }}\". Features of the story: "
      .. "{{ features }}.",
  },
}
