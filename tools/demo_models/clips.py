"""Renders short videos of emoji that move, hide behind each other, leave and come back, with a mask for every frame.

A clip is a dictionary: frames (uint8 t x h x w x 3), owners (int16 t x h x w: index of the object, -1 for none),
objects (noun, colour), cuts (frames at which the scene changes).
"""
import numpy as np

import scenes as S

MOTIONS = ("enters", "leaves", "moves left", "moves right", "still", "cut")


class Actor:
    """One emoji on a path. Positions and sizes are shares of the frame's width or height."""

    def __init__(self, rng, sprites, split, w, h, noun=None, distractor=False):
        self.w, self.h = w, h
        if distractor:
            bank = sprites.distractors[split]
            self.noun, self.colour, self.levels = -1, -1, bank[rng.integers(len(bank))]
        else:
            noun = int(rng.integers(len(sprites.by_noun))) if noun is None else noun
            self.noun, self.colour, self.levels = sprites.pick(rng, noun)
        self.seed = int(rng.integers(1 << 31))
        self.style = S.STYLES[split][rng.integers(len(S.STYLES[split]))]
        self.side = max(w, h) * np.exp(rng.uniform(np.log(0.18), np.log(0.42)))
        self.grow = rng.uniform(-0.004, 0.004)
        self.turn, self.spin = rng.normal(0, 8), rng.normal(0, 0.5)
        self.start = rng.uniform(0.2, 0.8, 2)
        self.speed = rng.normal(0, 0.010, 2)
        self.sway, self.phase, self.rate = rng.uniform(0, 0.08, 2), rng.uniform(0, 6.28, 2), rng.uniform(0.03, 0.15, 2)
        self.first, self.last = 0, 1 << 30
        self.bounce = True

    def at(self, t):
        """Centre, side and rotation at frame t."""
        p = self.start + self.speed * t
        if self.bounce:  # reflected inside the frame
            p = np.abs((p - 0.1) % 1.6)
            p = np.where(p > 0.8, 1.6 - p, p) + 0.1
        p = p + self.sway * np.sin(self.phase + self.rate * t)
        return p * (self.w, self.h), self.side * np.exp(self.grow * min(t, 60)), self.turn + self.spin * t

    def draw(self, canvas, owner, index, t):
        if not self.first <= t < self.last:
            return
        (cx, cy), side, rotation = self.at(t)
        patch = S.transform(np.random.default_rng(self.seed), self.levels, side, self.style, rotation)
        x, y = int(round(cx - patch.shape[1] / 2)), int(round(cy - patch.shape[0] / 2))
        hit = S.paste(canvas, patch, x, y)
        if hit:
            where, mask = hit
            owner[where][mask] = index


class Stage:
    """A background that a slow camera pans over, light, and the actors in drawing order."""

    def __init__(self, rng, split, backgrounds, w, h, actors, moving=True):
        self.w, self.h, self.actors = w, h, actors
        self.wide = backgrounds.pick(rng, int(w * 1.3), int(h * 1.3))
        self.origin = rng.uniform(0.2, 0.8, 2)
        self.pan = rng.normal(0, 0.006, 2) if moving else np.zeros(2)
        self.gain, self.noise = rng.uniform(0.85, 1.1), rng.uniform(0, 0.03)
        self.rng = rng

    def frame(self, t):
        room = np.array([self.wide.shape[1] - self.w, self.wide.shape[0] - self.h])
        x, y = (np.clip(self.origin + self.pan * t, 0, 1) * room).astype(int)
        canvas = self.wide[y:y + self.h, x:x + self.w].copy()
        owner = np.full((self.h, self.w), -1, np.int16)
        for index, actor in self.actors:
            actor.draw(canvas, owner, index, t)
        canvas = canvas * self.gain + self.rng.normal(0, self.noise, canvas.shape[:2] + (1,)).astype(np.float32)
        return (canvas.clip(0, 1) * 255).astype(np.uint8), owner


def clip(rng, split, sprites, backgrounds, w, h, frames, count=3, late=False, cut=None):
    """A clip of `count` objects and a passing occluder. late: the last object comes later; cut: frame of a new scene."""
    pieces, objects = [], []
    for begin, end in ((0, cut), (cut, frames)) if cut else ((0, frames),):
        nouns = rng.choice(len(sprites.by_noun), count, replace=False)
        actors = []
        for k, noun in enumerate(nouns):
            actor = Actor(rng, sprites, split, w, h, int(noun))
            if late and begin == 0 and k == count - 1:
                actor.first = int(rng.integers(frames // 4, frames // 2))
            actors.append((len(objects), actor))
            objects.append({"noun": actor.noun, "colour": actor.colour})
        if rng.random() < 0.6:  # something that nobody asks for crosses in front
            passer = Actor(rng, sprites, split, w, h, distractor=True)
            passer.bounce = False
            passer.start = np.array([-0.3, rng.uniform(0.25, 0.75)])
            passer.speed = np.array([1.6 / frames, 0])
            actors.insert(int(rng.integers(len(actors) + 1)), (-1, passer))
        pieces.append((Stage(rng, split, backgrounds, w, h, actors), begin, end))
    out = [stage.frame(t - begin) for stage, begin, end in pieces for t in range(begin, end)]
    return {"frames": np.stack([f for f, _ in out]), "owners": np.stack([o for _, o in out]), "objects": objects,
            "cuts": [cut] if cut else []}


def motion_clip(rng, split, sprites, backgrounds, side, frames, motion):
    """One object whose motion is one of MOTIONS; an unmoving camera. Frames only."""
    def stage(kind):
        actor = Actor(rng, sprites, split, side, side)
        actor.bounce, actor.sway = False, np.zeros(2)
        actor.side = side * rng.uniform(0.25, 0.5)
        actor.speed, actor.grow, actor.spin = np.zeros(2), 0.0, 0.0
        towards = 1 if rng.random() < 0.5 else -1
        step = rng.uniform(0.25, 0.4) / frames
        if kind == "enters":
            actor.start = np.array([0.5 - towards * 0.8, rng.uniform(0.3, 0.7)])
            actor.speed = np.array([towards * rng.uniform(0.6, 0.9) / frames, 0])
        elif kind == "leaves":
            actor.start = np.array([0.5 + towards * rng.uniform(0, 0.15), rng.uniform(0.3, 0.7)])
            actor.speed = np.array([towards * rng.uniform(0.8, 1.0) / frames, 0])
        elif kind == "moves left":
            actor.start, actor.speed = np.array([rng.uniform(0.6, 0.75), rng.uniform(0.3, 0.7)]), np.array([-step, 0])
        elif kind == "moves right":
            actor.start, actor.speed = np.array([rng.uniform(0.25, 0.4), rng.uniform(0.3, 0.7)]), np.array([step, 0])
        return Stage(rng, split, backgrounds, side, side, [(0, actor)], moving=False)

    if motion == "cut":
        at = int(rng.integers(frames // 4, 3 * frames // 4))
        a, b = stage("still"), stage("still")
        return np.stack([(a if t < at else b).frame(t)[0] for t in range(frames)])
    one = stage(motion)
    return np.stack([one.frame(t)[0] for t in range(frames)])
