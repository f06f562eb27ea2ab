"""What a run keeps on disk so that it can be cut off and go on."""
import json
import os
import sys
import time

import torch


class Progress:
    """One line a few seconds apart: step, done of all, what else is known."""

    def __init__(self, every=5.0):
        self._every, self._last, self._start = every, 0.0, time.time()

    def __call__(self, step, done, total, note=""):
        now = time.time()
        if now - self._last < self._every and done < total:
            return
        self._last = now
        print(f"{now - self._start:6.0f} s  {step}: {done} of {total}  {note}", file=sys.stderr, flush=True)


def write_json(path, value):
    with open(path + ".part", "w", encoding="ascii") as f:
        json.dump(value, f, indent=1, default=lambda number: number.item())  # of numpy
        f.write("\n")
    os.replace(path + ".part", path)


def train(net, path, images, batch, limit, step, progress, name):
    """Train until so many images were seen or limit seconds were spent, whichever comes first.

    step(net, count, generator seed) is the loss of a batch. AdamW at 3e-3 with cosine
    decay over that course; the state is saved every minute and taken up again.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    seen, spent = 0, 0.0
    if os.path.exists(path):
        kept = torch.load(path)
        net.load_state_dict(kept["net"])
        optimizer.load_state_dict(kept["optimizer"])
        seen, spent = kept["seen"], kept["spent"]
    course = lambda: max(seen / images, spent / limit)  # noqa: E731

    def save():
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "seen": seen, "spent": spent}, path + ".part")
        os.replace(path + ".part", path)

    net.train().to(memory_format=torch.channels_last)
    last, saved, mean = time.time(), time.time(), None
    while course() < 1:
        warm = min(1.0, (seen + batch) / (30 * batch))
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * warm * max(0.5 * (1 + torch.cos(torch.tensor(course() * 3.14159)).item()), 1e-3)
        loss = step(net, batch, seen)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        seen += batch
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        now = time.time()
        spent, last = spent + now - last, now
        progress(name, round(100 * course(), 1), 100, f"%, {seen} images, loss {mean:.4f}, {seen / spent:.0f} images/s")
        if now - saved > 60:
            save()
            saved = now
    save()
    net.eval().to(memory_format=torch.contiguous_format)
    return {"images": seen, "seconds": round(spent), "loss": round(mean, 4) if mean is not None else None}
