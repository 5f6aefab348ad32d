"""Renders held-out videos whose events are known, for measuring which frames are chosen (bench/frames.py).

    python render_events.py FOLDER [--seed S] [--rounds R] [--photos DIR]

For each round 16 videos: every kind of event with every kind of disturbance.
Events: "visits" (objects come in at an edge and leave again), "changes" (an object gives place to another one, on the
spot), "cuts" (other scenes are cut in), "mixed". Disturbances: "none", "camera" (it pans quickly), "flicker" (the light
does), "noise" (the picture does), each in short bursts; in them nothing happens.
Writes NAME.mp4 and NAME.json: {"fps", "frames", "kind", "disturbance", "events": [{"type", "frame"}], "objects":
[{"noun", "area": [pixels that are visible, a number a frame]}]}. Frames count from 0.
"""
import argparse
import json
import os

import numpy as np

import clips as C
import render_clips as R
import scenes as S
import vocabulary as V

W, H, FPS, SECONDS = 320, 240, 15, 20
KINDS, DISTURBANCES = ("visits", "changes", "cuts", "mixed"), ("none", "camera", "flicker", "noise")


class Visitor(C.Actor):
    """Comes in at a side, stays a while, leaves at a side. Its first and last frame are those when it is in view."""

    def __init__(self, rng, sprites, first, last):
        super().__init__(rng, sprites, "held", W, H)
        self.first, self.last = first, last
        self.side = W * rng.uniform(0.22, 0.36)
        self.sway, self.grow = self.sway * 0.3, 0.0
        out = 0.5 * self.side / W + 0.02
        self.keys = [(-out if rng.random() < 0.5 else 1 + out), rng.uniform(0.3, 0.7), (-out if rng.random() < 0.5 else 1 + out)]
        self.height = rng.uniform(0.25, 0.75)

    def at(self, t):
        span = max(self.last - self.first - 1, 1)
        x = np.interp((t - self.first) / span, [0, 0.35, 0.65, 1], [self.keys[0], self.keys[1], self.keys[1], self.keys[2]])
        p = np.array([x, self.height]) + self.sway * np.sin(self.phase + self.rate * t)
        return p * (W, H), self.side, self.turn + self.spin * (t - self.first)


def resident(rng, sprites, place=None):
    """An object that is there to stay, hardly moving."""
    actor = C.Actor(rng, sprites, "held", W, H)
    actor.speed, actor.grow, actor.spin = np.zeros(2), 0.0, 0.0
    actor.side, actor.sway = W * rng.uniform(0.2, 0.3), actor.sway * 0.4
    if place is not None:
        actor.start = np.array(place)
    return actor


class Scene(C.Stage):
    """A background, actors, and a camera that may be moved: everything shifts with it."""

    def __init__(self, rng, backgrounds, actors):
        super().__init__(rng, "held", backgrounds, W, H, actors, moving=False)
        self.origin, self.noise = np.array([0.5, 0.5]), rng.uniform(0.005, 0.02)

    def draw(self, t, shift, gain, noise):
        room = np.array([self.wide.shape[1] - W, self.wide.shape[0] - H])
        x, y = np.clip(room / 2 + shift, 0, room).astype(int)
        dx, dy = room / 2 - (x, y)
        canvas = self.wide[y:y + H, x:x + W].copy()
        owner = np.full((H, W), -1, np.int16)
        for index, actor in self.actors:
            at = actor.at
            actor.at = lambda t, at=at: (at(t)[0] + (dx, dy),) + tuple(at(t)[1:])
            actor.draw(canvas, owner, index, t)
            actor.at = at
        sigma = np.hypot(self.noise, noise)
        canvas = canvas * self.gain * gain + self.rng.normal(0, sigma, canvas.shape[:2] + (1,)).astype(np.float32)
        return (canvas.clip(0, 1) * 255).astype(np.uint8), owner


def draw_times(rng, frames, count, shortest, longest):
    """`count` spans that do not touch, none at the very beginning or end."""
    while True:
        spans = sorted((int(a), int(a + n)) for a, n in zip(rng.integers(FPS, frames - longest - 2, count), rng.integers(shortest, longest, count)))
        if all(b[0] - a[1] > FPS // 2 for a, b in zip(spans, spans[1:])):
            return spans


def disturb(rng, kind, frames, busy):
    """Shift, gain and noise of every frame."""
    shift, gain, noise = np.zeros((frames, 2)), np.ones(frames), np.zeros(frames)
    tries = 0
    bursts = []
    while kind != "none" and len(bursts) < 4 and tries < 500:
        tries += 1
        a = int(rng.integers(5, frames - FPS))
        b = a + int(rng.integers(FPS // 2, FPS))
        if all(b < x or a > y for x, y in busy + bursts):
            bursts.append((a, b))
    for a, b in bursts:
        n = b - a
        if kind == "camera":
            shift[a:b] += np.sin(np.linspace(0, 2 * np.pi, n))[:, None] * rng.choice([-1, 1], 2) * (40, 25)
        elif kind == "flicker":
            gain[a:b] = rng.uniform(0.6, 1.25, n)
        else:
            noise[a:b] = 0.12
    return shift, gain, noise


def render(rng, sprites, backgrounds, kind, disturbance):
    frames = SECONDS * FPS
    actors, objects, events, scenes = [], [], [], []

    def add(actor, group):
        group.append((len(objects), actor))
        objects.append({"noun": V.NOUN_LIST[actor.noun]})

    kinds = [kind] * 5 if kind != "mixed" else list(rng.choice(KINDS[:3], 5))
    spans = draw_times(rng, frames, len(kinds), int(0.7 * FPS), int(2.2 * FPS))
    add(resident(rng, sprites, (0.25, 0.3)), actors)
    place, since = (0.7, 0.65), 0
    for what, (a, b) in zip(kinds, spans):
        if what == "visits":
            add(Visitor(rng, sprites, a, b), actors)
            events += [{"type": "enter", "frame": a}, {"type": "leave", "frame": b}]
        elif what == "changes":
            for first, last in ((since, a), (a, b)):
                actor = resident(rng, sprites, place)
                actor.first, actor.last = first, last
                add(actor, actors)
            events += [{"type": "change", "frame": a}, {"type": "change", "frame": b}]
            since = b
        else:
            inside = []
            for spot in ((0.3, 0.4), (0.7, 0.6)):
                add(resident(rng, sprites, spot), inside)
            scenes.append((a, b, Scene(rng, backgrounds, inside)))
            events += [{"type": "cut", "frame": a}, {"type": "cut", "frame": b}]
    if since:
        actor = resident(rng, sprites, place)
        actor.first = since
        add(actor, actors)
    base = Scene(rng, backgrounds, actors)
    shift, gain, noise = disturb(rng, disturbance, frames, [(a - 3, b + 3) for a, b in spans])
    pictures, areas = [], np.zeros((len(objects), frames), int)
    for t in range(frames):
        scene = next((s for a, b, s in scenes if a <= t < b), base)
        picture, owner = scene.draw(t, shift[t], gain[t], noise[t])
        pictures.append(picture)
        areas[:, t] = [(owner == i).sum() for i in range(len(objects))]
    for o, area in zip(objects, areas.tolist()):
        o["area"] = area
    return np.stack(pictures), {"fps": FPS, "frames": frames, "kind": kind, "disturbance": disturbance, "events": events,
                                "objects": objects}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder")
    a.add_argument("--seed", type=int, default=70001)
    a.add_argument("--rounds", type=int, default=2)
    a.add_argument("--photos")
    a = a.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    sprites, backgrounds = S.Sprites(), S.Backgrounds("held", a.seed, 60, photos=a.photos)
    for r in range(a.rounds):
        for kind in KINDS:
            for disturbance in DISTURBANCES:
                name = os.path.join(a.folder, f"{kind}_{disturbance}_{r + 1}")
                if os.path.exists(name + ".json"):
                    continue
                rng = np.random.default_rng([a.seed, r, KINDS.index(kind), DISTURBANCES.index(disturbance)])
                pictures, truth = render(rng, sprites, backgrounds, kind, disturbance)
                R.write(name + ".mp4", pictures, FPS)
                with open(name + ".json", "w") as f:
                    json.dump(truth, f)


if __name__ == "__main__":
    main()
