--- Lists of words that stories should keep to.
-- @module lull.evaluate.vocabulary
local words = require "lull.evaluate.words"

local vocabulary = {}

--- A list of words in a text, as a set {word = true}. Lines that begin with # are comments.
function vocabulary.read(text)
  local set = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if not line:find "^%s*#" then
      for _, word in ipairs(words.of(line)) do
        set[word] = true
      end
    end
  end
  return set
end

-- The 1,500 most frequent words of 23,616 TinyStories (Eldan & Li 2023, arXiv:2305.07759), names
-- among them, with regular and common irregular forms counted for what they are forms of.
local CHILDREN = [[
a able about accept accidentally acorn across act add admire adorable adventure adventurous
aeroplane afraid after again agree aid air alert alice all allow almost alone along already also
always am amazed amazing amy an ancient and angel angry animal ann anna another answer ant anxious
anymore anyone anything appear apple arm around arrive arrow as ashamed ask asleep at attach attic
attractive aunt away axe baby back backyard bad bag bake balance bald ball balloon banana band
bandage barber bark barn barrel basket bath bathroom bathtub be beach beak bean bear beauty
because become bedroom bee beep beetle before begin behave behind believe bell bella belong belt
ben bench bend berry bet bicycle big bike bill bird birthday bit bite black blanket blink block
bloom blow blue blueberry bo board boat bob bobo body bone boo book boot bored boring borrow boss
both bottle bottom bounce bow bowl box boy bracelet branch brave bread break breakfast breath
bridge bright brilliant bring brother brown brush bubble bucket bud bug build bulb bull bump bun
burn bury bus bush but butterfly button buy buzz by bye cactus cage cake call calm camera camp can
candle candy cannot car care careful carrot carry cart case castle cat catch caterpillar
cauliflower cave celebrate celery chain chair change charm chase cheap check cheer cheese cherry
chest chew chicken child chirp chocolate choose chubby circle clap class clay clean clear clever
climb clock close closet cloth cloud clown club clumsy coat cocoa coin cold collar collect color
colour comb come comet comfort comfortable compassionate competitive complete computer cone
confused continue cook cookie cool cop corn costume couch could count course cover cow cozy crab
crack crawl crayon crazy cream create creative creature crib cricket crocodile cross crown cry
crystal cube cuddle cup cupboard curious curtain cushion cut cute dad daisy dan dance dangerous
dare dark daughter dave day dead deaf decide decorate dee deep delicate delicious delight deliver
dependable design desk dessert destroy determined diamond diary dictionary did different difficult
dig dinner dinosaur dirt disappear disappointed discover disgusting dish distance disturb dive
dizzy do doctor dog doll dolphin door dough dove down dr dragon draw dream dress drink drive drop
drum duck dull each eager ear ease eat edge egg elderly elephant ella else embarrass emily emma
empty end engine enjoy enormous enough enter envelope envious erase escape even eventually ever
everyone everything everywhere examine excite excited excitement expensive explain explore eye
face factory fair fake fall family famous fan fancy far farm fast fat father faucet favorite
favourite fear feather feed feel fence few field fierce fight figure fill film filthy fin final
find fine finger finish fire first fish fit five fix flag flap flashlight flexible float floor
flower fluffy flute fly fog fold follow food foolish foot football for forever forget forgive fork
forth forward fountain four fox fragile frame fred free freeze fridge friend friendship frightened
frog from front frown fruit frustrated full fun fur gain game garage garden gasp gate gather gem
generous gentle get ghost giant gift giggle giraffe girl give glad glass gloomy glove glow glue go
goal goat gold good goodbye goose grab grace grandma grandpa grape grass grateful gray great green
ground group grow grumpy guard guess guilt guitar gun gym ha hair half ham hand handle hang happen
happy hard hare harm harsh hat have he head heal health hear heart heavy hello helmet help her
here hero herself hi hide high hill him himself hit hive hold hole home honest honey hoop hop hope
horn horse hose hospital hot hour house how hug huge humble hungry hunt hurry hurt i ice idea if
ignorant ignore imagine impatient important impress impressive in incredible independent ink
inside instead intelligent interesting into invite iron island it itself jack jacket jake jam jane
jar jazz jealous jeep jellyfish jen jerry jet jewel jill jim job joe jog john join joke jolly
journey judge jug juice jump jungle junk just keep key kick kid kin kind king kiss kit kitchen
kite kitten knee knife knight knock know ladder lady lake lamp land large last late laugh lazy
lead leaf lean learn leave leg lemon lend leo leopard lesson let lick lie life lift light like
lila lily lime line lion lisa listen lit little live lizard load lock log lollipop lonely long
look lose lot lotion lou loud love low loyal luck lucy lulu luna lunch lying machine mae magic
magical magnet mail make mama man manage many map marble march mark market marry mary mask match
matt max may maybe maze me meadow meal mean measure medal medicine meet melt meow mess message mia
middle might milk mill mimi mine minute mirror miserable miss mistake mitten mix modern mole mom
moment momo money monkey monster moon mop moral morning mosquito mother mountain mouse mouth move
movie mr much mud muffin mug mule mum museum mushroom music must my mysterious nail name nap
naughty near nearby neck necklace need neighbor nervous nest net never new newspaper next nice
night no nod noise normal nose not note notebook nothing notice now number nurse nut oat obedient
object ocean octopus of off offer office often oh ok okay old olive ollie on once one onion onto
open or orange order ordinary organize original other ouch our out outside oven over ow owl own
oyster pack package page pain paint pale pan pandy pants pap parent park part pass pastry patch
path patient pattern paw pay peace peach peanut pear pebble pedal peek pen pencil pepper perfect
perform persistent person pet pete phone piano pick picnic picture pie piece pig pigeon pile
pillow pin pinch pink pirate pit pizza place plan plane planet plant plate play playground please
pocket poem point poke pole police polish polite pond pool poor pop popcorn popular pot potato
pour powder power practice pray present press pretend pretty prince princess print prize problem
promise protect proud prune puddle pull pumpkin pup purple push put puzzle quarrel queen question
quick quiet quit rabbit race radio raft rag rain rainbow raise rake rare rat raven reach read real
realised realize record red refuse regular relax reliable relieved remember remind remy repair
reply rescue respect rest restaurant return rex rice rich ride right ring rise river road roar
robot rock rocket rod roll roof room rope rough round rub rude rug ruin rule run rush sack sad
safe sail sailor salad sale salt sam same sand sandwich sara sarah sauce sausage save say scale
scare scarf scatter school scissors scooter scratch scream screen sea seal search seat secret see
seed seek seem selfish sell send serious serve set settle shade shadow shake shall shape share
shark sharp she sheep sheet shelf shell shine ship shirt shiver shock shoe shoot shop shopkeeper
shore should shout show shrimp shut sick side sigh sight sign sill sing sink sister sit size skin
skip sky sleep slide slip slow small smart smell smile smoke smooth snack snake snap sneak sneeze
sniff snow snowman so soap soar sock soft soldier solve some someone something sometimes song soon
sorry sort sound soup sour space spaghetti spark sparkle speak special speed spend spice spider
spike spill spin spirit splash split spoil spoon spot spray spread spring square squash squeeze
squirrel stack staff stage stair stamp stand star start station statue stay steak steal step stick
still stir stone stop store storm story stove strange strawberry stream street stretch string
strip strong struggle stubborn study stuff stumble stupid succeed success such sudden sue sugar
suggest suit sun sunflower sunshine support sure surprise surrender susie swan sweet sweetie swim
swing switch sword table tag tail take talk tall tank tap tape task taste tea teach team tear
tease ted tell ten tent terrible test than thank that the their them themselves then there these
thick thief thin thing think thirsty this those though thought three through throw tide tie tiger
tight tim time timmy tiny tip tire to toast toby today together tom tomorrow too tool tooth top
touch tough toward towel tower town toy track trade train trap trash travel treasure treat tree
tremble triangle trick trip trouble truck true trumpet trunk trust truth try tummy tunnel turkey
turn turtle tv tweet twig twin twist two ugly umbrella uncle uncomfortable under understand
unexpected unique unknown unlock unpack until unusual up upon upset urge us use valuable value
vase vegetable vendor very video view village vine violin visit voice volcano waffle wag wagon
wait wake walk wall wand want warm warn was wash watch water wave way we weak wealth wear week
weigh weird welcome well wet whale what wheat wheel when whenever where which while whiskers
whisper whistle white who whole why wide wiggle wild will win window wing wipe wire wise wish
witch with without wolf woman wonder wood word wore work world worm worry would wow wrap write
wrong yard yarn yawn year yell yellow yes yet you young your yourself yuck yum zip zoo zoom
]]

--- About what a child of four understands: 1,500 words of stories for small children, and those
-- that the recipe tinystories asks for.
function vocabulary.children()
  local lists = {CHILDREN}
  for _, slot in ipairs(require("lull.recipes.tinystories").slots) do
    lists[#lists + 1] = type(slot.words) == "table" and table.concat(slot.words, " ")
      or slot.words
  end
  return vocabulary.read(table.concat(lists, "\n"))
end

return vocabulary
