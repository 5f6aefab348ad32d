"""What the demo detector knows: nouns with their emoji, synonyms, colours, sizes and prompt templates."""

# noun: (glyphs, natural colour of each glyph or None, colours it may be painted in, synonyms)
NOUNS = {
    "cat": ("🐱🐈", (None, None), ("black", "white"), ("kitty", "kitten")),
    "dog": ("🐶🐕", (None, None), ("black", "white"), ("puppy", "doggy")),
    "horse": ("🐴🐎", (None, None), ("black", "white"), ("pony",)),
    "pig": ("🐷🐖", (None, None), (), ("piglet",)),
    "elephant": ("🐘", (None,), (), ()),
    "fox": ("🦊", (None,), (), ()),
    "panda": ("🐼", (None,), (), ("panda bear",)),
    "frog": ("🐸", ("green",), (), ("toad",)),
    "penguin": ("🐧", (None,), (), ()),
    "turtle": ("🐢", ("green",), (), ("tortoise",)),
    "fish": ("🐟🐠", ("blue", None), ("red", "green", "purple"), ()),
    "octopus": ("🐙", (None,), (), ("squid",)),
    "butterfly": ("🦋", (None,), ("red", "yellow", "green", "blue", "purple"), ("moth",)),
    "car": ("🚗🚙", ("red", "blue"), ("red", "yellow", "green", "blue", "purple", "black", "white"), ("automobile",)),
    "bus": ("🚌", (None,), ("red", "green", "blue", "purple", "white"), ("coach",)),
    "truck": ("🚚🚛", (None, None), ("red", "yellow", "green", "blue", "purple"), ("lorry",)),
    "bicycle": ("🚲", (None,), ("red", "yellow", "green", "blue", "purple"), ("bike",)),
    "airplane": ("✈🛩", (None, None), (), ("plane", "aeroplane")),
    "boat": ("⛵", (None,), (), ("sailboat",)),
    "rocket": ("🚀", (None,), (), ("spaceship",)),
    "apple": ("🍎🍏", ("red", "green"), ("red", "green", "yellow"), ()),
    "banana": ("🍌", ("yellow",), (), ()),
    "strawberry": ("🍓", ("red",), (), ()),
    "watermelon": ("🍉", (None,), (), ("melon",)),
    "pineapple": ("🍍", (None,), (), ()),
    "pizza": ("🍕", (None,), (), ()),
    "soccer ball": ("⚽", (None,), (), ("football",)),
    "basketball": ("🏀", (None,), (), ()),
    "tree": ("🌳🌲", ("green", "green"), (), ()),
    "mushroom": ("🍄", ("red",), (), ("toadstool",)),
    "umbrella": ("☂", ("purple",), ("red", "yellow", "green", "blue", "purple", "black"), ("parasol",)),
    "balloon": ("🎈", ("red",), ("red", "yellow", "green", "blue", "purple", "black", "white"), ()),
    "guitar": ("🎸", ("red",), ("red", "yellow", "green", "blue", "purple"), ()),
    "house": ("🏠🏡", (None, None), (), ("home",)),
    "clock": ("⏰", ("red",), ("red", "yellow", "green", "blue", "purple"), ("alarm clock",)),
    "key": ("🔑", ("yellow",), ("red", "yellow", "green", "blue"), ()),
}
NOUN_LIST = list(NOUNS)

COLOURS = ("red", "yellow", "green", "blue", "purple", "black", "white")
SIZES = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
SIZE_LIST = list(SIZES)
# sqrt(box area) relative to the image's longer side: below the first "small", above the last "big", between the
# inner two neither; the gaps are left undecided in training.
SIZE_LIMITS = (0.18, 0.21, 0.33, 0.38)

TEMPLATES = ("{}", "a photo of {}", "a photo of a {}", "a {}", "the {}", "a picture of a {}")

# Things that appear in scenes and that no prompt names.
DISTRACTORS = {
    "train": "🏆🎁🪑📚📱🎩👟👗🥕🌽🍇🍩🍰☕🍺🔔🔨✂📎🧸🎻🥁🎺📺🛒🧺🚦⚓🗽🏰🐍🐳🐔🦁🐨🦉🐌🚁🚜🌻🌵💡🔒🧢🎲",
    "held": "🧲🕯🥝🦀🐊🦒🎷🧦🥚🍞🪁🔭💎",
}

# Words no demo scene shows; the detector learns to answer them with low scores. "held" is for evaluation only.
UNKNOWN = {
    "train": """person man woman child face hand chair table sofa bed lamp door window cup bottle plate fork spoon knife
bread cheese egg milk coffee tea wine beer cake cookie candy chocolate carrot potato tomato onion pepper grape cherry
peach lemon lime mango melon-seed coconut nut rice soup salad sandwich hot-dog taco sushi bird eagle hawk crow parrot
owl duck goose swan chicken rooster turkey ostrich flamingo snake lizard crocodile dinosaur dragon unicorn zebra giraffe
lion tiger leopard wolf bear deer moose goat sheep camel llama kangaroo koala sloth mouse rat hamster rabbit squirrel
hedgehog bat whale dolphin shark seal crab lobster shrimp snail worm ant bee wasp spider scorpion fly mosquito flower
rose tulip sunflower cactus leaf grass bush mountain hill river lake sea ocean beach island desert forest road bridge
street sidewalk traffic-light sign fence wall building skyscraper church castle tower tent barn garage school hospital
hotel shop ladder hammer saw drill screwdriver wrench nail screw rope chain lock hook needle thread scissors paper pen
pencil book newspaper magazine letter envelope stamp box bag basket suitcase backpack wallet purse coin money card
phone computer laptop keyboard screen television radio speaker camera microphone headphones piano violin drum trumpet
flute harp shirt pants skirt dress coat jacket hat cap shoe boot sock glove scarf belt tie ring necklace watch
glasses sun moon star cloud rain snow wind lightning rainbow fire smoke water ice stone sand mud gold silver iron
wheel tire engine motor helicopter submarine ship canoe ferry tram train subway taxi ambulance tractor motorcycle
scooter skateboard sled ski surfboard kite ball bat racket goal net trophy medal flag map compass globe telescope
""",
    "held": """wardrobe kettle pancake walrus pelican lighthouse volcano accordion bulldozer crown waffle robot skeleton
windmill toothbrush fridge mailbox anchor gorilla beaver peacock jellyfish cucumber broccoli pumpkin hamburger lantern
statue mermaid wizard pirate tank cannon barrel bucket pillow blanket mirror candle""",
}


def prompts_of(noun):
    """Every way to say a noun."""
    return (noun,) + NOUNS[noun][3]


def colour_pairs():
    """(colour, noun) for every pair that the scenes show."""
    pairs = []
    for noun, (_, natural, paint, _) in NOUNS.items():
        for colour in COLOURS:
            if colour in paint or (colour in natural and paint):
                pairs.append((colour, noun))
    return pairs


def unknown_words(split):
    return [w.replace("-", " ") for w in UNKNOWN[split].split()]
