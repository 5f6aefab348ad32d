"""The hard clips that tracks are judged by: one function a kind, each of a random generator alone.

A clip is a dictionary: frames (uint8 t x h x w x 3), owners (int16 t x h x w: index of the object whose pixel this is, -1
for none), ignored (bool t x h x w: pixels that are nobody's fault), objects (nouns), cuts (frames that begin a scene).
"""
import copy

import numpy as np

import clips as C
import scenes as S
import vocabulary as V

W, H, FPS, FRAMES = 384, 288, 12, 60
SOLID = [list(V.DISTRACTORS["held"]).index(glyph) for glyph in "🥝🥚🍞"]  # nothing is seen through these


class Player(C.Actor):
    """One emoji whose centre goes through given places: rows of frame, x, y, the latter as shares of the picture."""

    def __init__(self, studio, path, side, noun=None, distractor=False, sway=0.012):
        rng = studio.rng
        super().__init__(rng, studio.sprites, "held", W, H, noun, distractor)
        self.path, self.side, self.spin, self.grow = np.array(path, float).reshape(-1, 3), side * W, rng.normal(0, 0.3), 0.0
        self.sway = rng.uniform(0, sway, 2)

    def at(self, t):
        at, x, y = self.path.T
        place = np.array([np.interp(t, at, x), np.interp(t, at, y)]) + self.sway * np.sin(self.phase + self.rate * t)
        return place * (W, H), self.side, self.turn + self.spin * t

    def twin(self, path):
        """One that looks the same elsewhere."""
        other = copy.copy(self)
        other.path = np.array(path, float).reshape(-1, 3)
        other.phase = self.phase + 2
        return other

    def during(self, first, last):
        self.first, self.last = first, last
        return self


class Scene:
    """A background with actors in drawing order, and a camera that may be moved by whole pixels."""

    def __init__(self, studio, actors):
        rng = studio.rng
        self.wide = studio.backgrounds.pick(rng, int(W * 1.3), int(H * 1.3))
        self.actors, self.rng = actors, rng
        self.pan = rng.normal(0, 0.3, 2)
        self.gain, self.noise = rng.uniform(0.85, 1.1), rng.uniform(0.005, 0.02)

    def draw(self, t, shift=(0, 0)):
        """The picture (float, 0 to 1) and its owners."""
        room = np.array([self.wide.shape[1] - W, self.wide.shape[0] - H])
        x, y = np.clip(room / 2 + self.pan * t + shift, 0, room).astype(int)
        canvas = self.wide[y:y + H, x:x + W].copy()
        owner = np.full((H, W), -1, np.int16)
        for index, actor in self.actors:
            moved = copy.copy(actor)
            (cx, cy), side, turn = actor.at(t)
            moved.at = lambda _, place=(cx - shift[0], cy - shift[1]), side=side, turn=turn: (place, side, turn)
            moved.draw(canvas, owner, index, t)
        canvas = canvas * self.gain + self.rng.normal(0, self.noise, canvas.shape[:2] + (1,)).astype(np.float32)
        return canvas.clip(0, 1), owner


class Studio:
    """What all clips are made of, and the list of a clip's objects."""

    def __init__(self, sprites, backgrounds, rng, frames=FRAMES):
        self.sprites, self.backgrounds, self.rng, self.frames, self.objects = sprites, backgrounds, rng, frames, []

    def nouns(self, count):
        return [int(n) for n in self.rng.choice(len(V.NOUN_LIST), count, replace=False)]

    def add(self, actor):
        """Makes the actor one of the clip's objects; gives what a scene takes."""
        self.objects.append(V.NOUN_LIST[actor.noun])
        return len(self.objects) - 1, actor

    def time(self, share):
        return int(round(share * self.frames))

    def still(self, x, y, side, noun=None, wander=0.05):
        """An object that is there all the time and hardly moves."""
        path = [(t, x + self.rng.uniform(-wander, wander), y + self.rng.uniform(-wander, wander))
                for t in np.linspace(0, self.frames, 4)]
        return Player(self, path, side, noun)

    def film(self, scene, shifts=None):
        drawn = [scene.draw(t, (0, 0) if shifts is None else shifts[t]) for t in range(self.frames)]
        return self.clip([d[0] for d in drawn], [d[1] for d in drawn])

    def clip(self, pictures, owners, cuts=(), ignored=None):
        owners = np.stack(owners)
        frames = (np.stack(pictures) * 255).astype(np.uint8)
        return {"frames": frames, "owners": owners, "objects": self.objects, "cuts": list(cuts),
                "ignored": np.zeros(owners.shape, bool) if ignored is None else np.stack(ignored)}


def crossing(s):
    """Two that look alike pass each other, or meet and turn back; a third one looks on."""
    rng, end = s.rng, s.frames
    a, b = s.nouns(2)
    side, y, off = rng.uniform(0.18, 0.28), rng.uniform(0.35, 0.65), rng.uniform(0.0, 0.16)
    meet = s.time(rng.uniform(0.4, 0.6))
    if rng.random() < 0.6:
        left, right = [(0, 0.18, y), (end, 0.82, y)], [(0, 0.82, y + off), (end, 0.18, y + off)]
    else:
        gap = rng.uniform(0.3, 0.7) * side
        left = [(0, 0.18, y), (meet, 0.5 - gap / 2, y), (end, 0.18, y)]
        right = [(0, 0.82, y + off), (meet, 0.5 + gap / 2, y + off), (end, 0.82, y + off)]
    one = Player(s, left, side, a)
    third = s.still(rng.uniform(0.4, 0.6), 0.14 if y > 0.5 else 0.86, rng.uniform(0.15, 0.2), b)
    return s.film(Scene(s, [s.add(third), s.add(one), s.add(one.twin(right))]))


def replaced(s):
    """One thing gives place to another on the spot, once or twice, beside one that stays."""
    rng = s.rng
    nouns = s.nouns(4)
    x = rng.uniform(0.25, 0.4)
    times = [0] + [s.time(v + rng.uniform(-0.06, 0.06)) for v in ((0.5,) if rng.random() < 0.5 else (0.33, 0.66))] + [s.frames]
    side, y = rng.uniform(0.22, 0.32), rng.uniform(0.35, 0.65)
    actors = [s.add(s.still(x, y, side, noun, 0.02).during(first, last)) for noun, first, last in zip(nouns, times, times[1:])]
    actors.append(s.add(s.still(rng.uniform(0.7, 0.8), rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.3), nouns[3])))
    return s.film(Scene(s, actors))


def returning(s):
    """One goes out of the picture and comes in again, by the same side or the other; another one stays."""
    rng = s.rng
    a, b = s.nouns(2)
    side, y, out = rng.uniform(0.2, 0.28), rng.uniform(0.3, 0.7), rng.choice([-1, 1])
    beyond = 0.5 + out * (0.5 + side)
    back = 0.5 - out * (0.5 + side) if rng.random() < 0.5 else beyond
    leave, gone, come, there = (s.time(v + rng.uniform(-0.03, 0.03)) for v in (0.2, 0.33, 0.57, 0.72))
    x, x2, y2 = 0.5 + out * rng.uniform(0.05, 0.2), rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.7)
    goes = Player(s, [(0, x, y), (leave, x, y), (gone, beyond, y), (gone + 1, back, y2), (come, back, y2), (there, x2, y2),
                      (s.frames, x2, y2)], side, a)
    stays = s.still(0.5 - out * 0.3, 0.16 if y > 0.5 else 0.84, rng.uniform(0.18, 0.22), b, 0.02)
    return s.film(Scene(s, [s.add(stays), s.add(goes)]))


def occluded(s):
    """One passes behind something that nobody asks for, out of sight for a while; another one stays."""
    rng = s.rng
    a, b = s.nouns(2)
    side, y, way = rng.uniform(0.13, 0.18), rng.uniform(0.4, 0.6), rng.choice([-1, 1])
    path = [(0, 0.5 - way * 0.38, y), (s.time(0.4), 0.5, y), (s.time(0.6), 0.5, y), (s.frames, 0.5 + way * 0.38, y)]
    wall = Player(s, [(0, 0.5, y)], side * 2, distractor=True, sway=0)
    wall.levels = s.sprites.distractors["held"][int(rng.choice(SOLID))]
    stays = s.still(rng.uniform(0.2, 0.8), 0.14 if y > 0.5 else 0.86, rng.uniform(0.14, 0.18), b, 0.02)
    actors = [s.add(stays), s.add(Player(s, path, side, a)), (-1, wall)]
    return s.film(Scene(s, actors))


def two_scenes(s):
    """Two scenes of two or three objects; half of the time one of the second is called as one of the first."""
    rng = s.rng
    nouns = s.nouns(6)
    if rng.random() < 0.5:
        nouns[3] = nouns[0]
    out = []
    for k in range(2):
        places = rng.permutation([(0.25, 0.35), (0.7, 0.3), (0.5, 0.72)])
        actors = [s.add(s.still(x, y, rng.uniform(0.2, 0.3), noun)) for (x, y), noun in
                  zip(places[:int(rng.integers(2, 4))], nouns[3 * k:])]
        out.append(Scene(s, actors))
    return out


def cut(s):
    """From one scene to another one, and half of the time back."""
    a, b = two_scenes(s)
    cuts = [s.time(v + s.rng.uniform(-0.05, 0.05)) for v in ((0.5,) if s.rng.random() < 0.5 else (0.35, 0.7))]
    drawn = [(b if sum(t >= c for c in cuts) == 1 else a).draw(t) for t in range(s.frames)]
    return s.clip([d[0] for d in drawn], [d[1] for d in drawn], cuts)


def fade(s):
    """From one scene to another one through a dissolve or through black. The scene that is weaker is ignored."""
    a, b = two_scenes(s)
    black, middle, half = s.rng.random() < 0.5, s.time(0.5 + s.rng.uniform(-0.1, 0.1)), s.time(s.rng.uniform(0.06, 0.12))
    pictures, owners, ignored = [], [], []
    for t in range(s.frames):
        share = float(np.clip((t - middle + half) / (2 * half), 0, 1))
        (one, mine), (two, other) = a.draw(t), b.draw(t)
        if black:
            weight = abs(2 * share - 1)
            picture, weak = (one if share < 0.5 else two) * weight, weight < 0.35
            hidden = (mine if share < 0.5 else other) >= 0 if weak else np.zeros(mine.shape, bool)
        else:
            picture = one * (1 - share) + two * share
            hidden = (other if share < 0.5 else mine) >= 0 if 0 < share < 1 else np.zeros(mine.shape, bool)
        pictures.append(picture)
        owners.append(np.where(hidden, -1, mine if share < 0.5 else other).astype(np.int16))
        ignored.append(hidden)
    return s.clip(pictures, owners, [middle], ignored)


def shake(s):
    """A camera that shakes, with jumps, over three objects, two of them alike."""
    rng = s.rng
    a, b = s.nouns(2)
    side = rng.uniform(0.2, 0.26)
    one = s.still(0.3, 0.35, side, a, 0.06)
    actors = [s.add(one), s.add(one.twin([(0, 0.7, 0.4), (s.frames, 0.62, 0.35)])),
              s.add(s.still(0.5, 0.72, rng.uniform(0.18, 0.25), b, 0.06))]
    shifts = rng.normal(0, 5, (s.frames, 2))
    at = np.zeros(2)
    for t in range(s.frames):
        if rng.random() < 0.12:
            at = rng.uniform(-1, 1, 2) * (45, 30)
        shifts[t] += at
        at = at * 0.8
    return s.film(Scene(s, actors), shifts.round())


def tiny(s):
    """Four small ones that move about, two of them alike: as small as the demo detector finds anything."""
    rng = s.rng
    a, b, c = s.nouns(3)
    roads = []
    for row in rng.permutation(4):
        y = 0.15 + 0.23 * row
        ends = rng.uniform(0.08, 0.3), rng.uniform(0.7, 0.92)
        roads.append([(0, ends[0], y), (s.frames, ends[1], y)] if rng.random() < 0.5 else [(0, ends[1], y), (s.frames, ends[0], y)])
    one = Player(s, roads[0], rng.uniform(0.12, 0.15), a)
    actors = [one, one.twin(roads[1]), Player(s, roads[2], rng.uniform(0.12, 0.15), b), Player(s, roads[3], rng.uniform(0.12, 0.15), c)]
    return s.film(Scene(s, [s.add(actor) for actor in actors]))


def many(s):
    """Seven or eight at once, some of them alike, that move about and brush against each other."""
    rng = s.rng
    places = [(x, y) for y in (0.27, 0.73) for x in (0.14, 0.38, 0.62, 0.86)]
    rng.shuffle(places)
    nouns = s.nouns(5)
    actors = []
    for k, (x, y) in enumerate(places[:int(rng.integers(7, 9))]):
        actor = s.still(x, y, rng.uniform(0.15, 0.2), nouns[k % 5], 0.07)
        actors.append(actors[k - 5].twin(actor.path) if k >= 5 else actor)
    return s.film(Scene(s, [s.add(actor) for actor in actors]))


def late(s):
    """One is there from the beginning; two come in later, one by an edge and one out of nothing; the first one leaves."""
    rng = s.rng
    a, b, c = s.nouns(3)
    out, y = rng.choice([-1, 1]), rng.uniform(0.3, 0.4)
    side = rng.uniform(0.2, 0.27)
    first = Player(s, [(0, 0.5, y), (s.time(0.6), 0.5, y), (s.time(0.85), 0.5 + out * (0.5 + side), y)], side, a)
    enters, there = s.time(rng.uniform(0.2, 0.35)), s.time(0.6)
    second = Player(s, [(0, 0.5 - out * (0.5 + side), 0.7), (enters, 0.5 - out * (0.5 + side), 0.7), (there, 0.5 - out * 0.15, 0.7),
                        (s.frames, 0.5, 0.72)], rng.uniform(0.2, 0.27), b)
    third = s.still(0.5 - out * 0.32, 0.28, rng.uniform(0.18, 0.24), c, 0.02).during(s.time(rng.uniform(0.4, 0.55)), s.frames)
    return s.film(Scene(s, [s.add(first), s.add(second), s.add(third)]))


KINDS = {f.__name__: f for f in (crossing, replaced, returning, occluded, cut, fade, shake, tiny, many, late)}


def make(sprites, backgrounds, kind, number, seed, frames=FRAMES):
    """The clip of that kind and number: the same for the same numbers. Every object is in view for a while."""
    for attempt in range(40):
        rng = np.random.default_rng([seed, list(KINDS).index(kind), number, attempt])
        clip = KINDS[kind](Studio(sprites, backgrounds, rng, frames))
        areas = [(clip["owners"] == i).sum((1, 2)) for i in range(len(clip["objects"]))]
        if all((a > 0.5 * a.max()).sum() >= max(3, frames // 8) and a.max() >= 150 for a in areas):
            break
    else:
        raise SystemExit(f"track_eval: no {kind} clip {number} of seed {seed} shows its objects long enough")
    absent = [n for n in V.NOUN_LIST if n not in clip["objects"]]
    clip["prompts"] = sorted(set(clip["objects"])) + [absent[i] for i in rng.choice(len(absent), 2, replace=False)]
    return clip
