"""Makes the table of embeddings anew of classes.yaml: `python -m crln.methods.llm_segnet`."""

from pathlib import Path

from safetensors.torch import save_file

from crln.methods.llm_segnet.embed import embed
from crln.methods.llm_segnet.text import sentences

TABLE = Path(__file__).with_name("classes.safetensors")


def main() -> None:
    """Writes the table."""
    told = sentences()
    rows = embed([each.text for each in told])
    table = {each.names[0]: row.clone() for each, row in zip(told, rows, strict=True)}
    save_file(table, TABLE, {"model": "all-MiniLM-L6-v2", "of": "classes.yaml"})
    print(f"{len(table)} classes in {TABLE.name}")


if __name__ == "__main__":
    main()
