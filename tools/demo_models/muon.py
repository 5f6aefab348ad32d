"""An optimiser for matrices: momentum made orthogonal by Newton-Schulz iterations."""
import math

import torch


class Muon:
    """For matrices and, flattened to (out, rest), convolutions. Every update has the size that Adam's would have."""

    def __init__(self, params, momentum=0.95, decay=0.02):
        self.groups = {}
        for p in params:
            self.groups.setdefault((p.shape[0], p[0].numel()), []).append(p)
        self.buffers = {s: torch.zeros(len(ps), *s) for s, ps in self.groups.items()}
        self.momentum, self.decay = momentum, decay

    @staticmethod
    def orthogonal(x):
        """Newton-Schulz iterations towards the nearest orthogonal matrix."""
        y = x if x.shape[0] <= x.shape[1] else x.mT
        y = y / (y.norm() + 1e-7)
        for _ in range(5):
            a = y @ y.mT
            y = torch.addmm(y, torch.addmm(a, a, a, beta=-4.775, alpha=2.0315), y, beta=3.4445)
        return y if x.shape[0] <= x.shape[1] else y.mT

    @torch.no_grad()
    def step(self, lr):
        for shape, ps in self.groups.items():
            have = [i for i, p in enumerate(ps) if p.grad is not None]
            rate = lr * 0.2 * math.sqrt(max(shape))
            for i in have:
                g = ps[i].grad.reshape(shape)
                buffer = self.buffers[shape][i].lerp_(g, 1 - self.momentum)
                update = self.orthogonal(g.lerp(buffer, self.momentum))
                ps[i].mul_(1 - lr * self.decay).add_(update.view_as(ps[i]), alpha=-rate)
