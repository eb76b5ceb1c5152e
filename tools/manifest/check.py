"""Reads a benchmark with other people's software: the Croissant description, and the manifest by three libraries.

    pip install mlcroissant==1.1.1 polars==2.1.0 pandas==3.1.1 datasets==5.2.0
    python tools/manifest/check.py BENCH

The description must be valid Croissant 1.1, and its records those of the manifest; polars, pandas and `datasets` must give
the same test split by the lines that stand in the README. Exit code 1 if something does not hold.
"""

import importlib.metadata
import json
import sys

import datasets
import mlcroissant
import pandas
import polars


def main(bench: str) -> int:
    described = mlcroissant.Dataset(jsonld=f"{bench}/croissant.json")
    issues = described.metadata.issues
    records = [row["samples/id"].decode() for row in described.records(record_set="samples")]
    print(f"mlcroissant {importlib.metadata.version('mlcroissant')}: {described.metadata.ctx.conforms_to}, {len(records)} records")
    for issue in sorted(issues.errors | issues.warnings):
        print(f"  {issue}")
    manifest = f"{bench}/manifest.parquet"
    ids = {
        "polars": polars.read_parquet(manifest).filter(polars.col("split") == "test")["id"].to_list(),
        "pandas": pandas.read_parquet(manifest).query("split == 'test'")["id"].tolist(),
        "datasets": datasets.load_dataset(bench, split="train").filter(lambda row: row["split"] == "test")["id"][:],
    }
    for name, found in ids.items():
        print(f"{name} {importlib.metadata.version(name)}: {len(found)} rows of the test split")
    with open(f"{bench}/manifest.json", encoding="utf-8") as file:
        n_rows = json.load(file)["counts"]["rows"]
    all_ids = polars.read_parquet(manifest)["id"].to_list()
    holds = not issues.errors and records == all_ids and len(all_ids) == n_rows
    return 0 if holds and ids["polars"] == ids["pandas"] == ids["datasets"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
