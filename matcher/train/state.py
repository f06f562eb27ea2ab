"""What a run keeps on disk so that it can be cut off and go on."""
import json
import os
import sys
import time

import cv2
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


class Lessons(torch.utils.data.Dataset):
    """Batches by number, each made anew from its number alone, so that a run that goes on sees what it would have seen."""

    def __init__(self, make, batch):
        self._make, self._batch = make, batch

    def __getitem__(self, number):
        return tuple(torch.from_numpy(part) for part in self._make(number * self._batch, self._batch))


def device():
    """A GPU when one is at hand."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(net, path, images, batch, limit, workers, make, loss, progress, name):
    """Train until so many images were seen or limit seconds were spent, whichever comes first.

    make(seen, count) is a batch as numpy arrays, made in worker processes; loss(net,
    *batch) is what it costs. AdamW at 3e-3 with cosine decay over that course; the
    state is saved every minute and taken up again.
    """
    where = device()
    torch.backends.cudnn.benchmark = True
    optimizer = torch.optim.AdamW(net.to(where).parameters(), lr=3e-3, weight_decay=1e-2)
    seen, spent, mean = 0, 0.0, None
    on = torch.cuda.get_device_name() if where.type == "cuda" else f"{torch.get_num_threads()} processors"
    if os.path.exists(path):
        kept = torch.load(path, map_location=where)
        net.load_state_dict(kept["net"])
        optimizer.load_state_dict(kept["optimizer"])
        seen, spent, mean, batch, on = (kept[k] for k in ("seen", "spent", "loss", "batch", "on"))
    course = lambda: max(seen / images, spent / limit)  # noqa: E731

    def save():
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(),
                    "seen": seen, "spent": spent, "loss": mean, "batch": batch, "on": on}, path + ".part")
        os.replace(path + ".part", path)

    net.train().to(memory_format=torch.channels_last)
    if course() < 1:
        # Forked: pictures are shared, not copied.
        lessons = torch.utils.data.DataLoader(
            Lessons(make, batch), batch_size=None, sampler=range(seen // batch, -(-images // batch)), num_workers=workers,
            pin_memory=where.type == "cuda", multiprocessing_context="fork", prefetch_factor=4, worker_init_fn=lambda _: cv2.setNumThreads(1))
        last = saved = time.time()
        for lesson in lessons:
            warm = min(1.0, (seen + batch) / (30 * batch))
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * warm * max(0.5 * (1 + torch.cos(torch.tensor(course() * 3.14159)).item()), 1e-3)
            cost = loss(net, *(part.to(where, non_blocking=True) for part in lesson))
            optimizer.zero_grad()
            cost.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            seen += batch
            mean = cost.item() if mean is None else 0.98 * mean + 0.02 * cost.item()
            now = time.time()
            spent, last = spent + now - last, now
            progress(name, round(100 * min(course(), 1), 1), 100, f"%, {seen} images, loss {mean:.4f}, {seen / spent:.0f} images/s")
            if now - saved > 60:
                save()
                saved = now
            if course() >= 1:
                break
        save()
    net.eval().to("cpu", memory_format=torch.contiguous_format)
    return {"images": seen, "seconds": round(spent), "loss": round(mean, 4), "batch": batch, "on": on}
