"""needs: datatrove orjson

datatrove's executor for Ray: a pipeline over files, each shard a task.
"""

import gzip
import json
from pathlib import Path

import ray
from datatrove.executor.ray import RayPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def keep_odd(documents, rank=0, world_size=1):
    yield from (document for document in documents if document.text.endswith(("1", "3")))


Path("in").mkdir()
for number in range(4):
    lines = [json.dumps({"text": f"document {number} {line}", "id": f"{number}-{line}"}) for line in range(10)]
    Path(f"in/{number}.jsonl").write_text("\n".join(lines))
ray.init(num_cpus=2)
RayPipelineExecutor(
    pipeline=[JsonlReader("in"), keep_odd, JsonlWriter("out")],
    tasks=4,
    workers=2,
    logging_dir="log",
    cpus_per_task=1,
    mem_per_cpu_gb=0.1,
).run()
texts = sorted(
    json.loads(line)["text"] for path in Path("out").iterdir() for line in gzip.open(path, "rt").read().splitlines()
)
assert texts == sorted(f"document {number} {line}" for number in range(4) for line in (1, 3)), texts
print("all right")
