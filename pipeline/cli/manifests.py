"""The commands `hspcgan keys` and `hspcgan manifests`, which describe keys and list shipped manifests."""

import json
from pathlib import Path

import click

from hspcgan.model.common.out_path import OutFile
from hspcgan.model.common.printable import echo


@click.command()
@click.argument("section", required=False)
@click.option("--json-schema", is_flag=True, help="Print a JSON Schema of manifests, for editors.")
def keys(section: str | None, json_schema: bool) -> None:
    """List the keys of manifests with type, default and meaning.

    SECTION is data, parse, encode, taps, model, train, evaluate, bench or study; without it, all keys are listed.
    """
    from hspcgan.pipeline.manifest import key_reference as look
    from hspcgan.pipeline.manifest.sections import section_models

    models = section_models()
    if json_schema:
        echo(json.dumps(look.json_schema(models), indent=1, ensure_ascii=False))
    else:
        echo(look.table(look.keys(models, section)))


@click.command()
@click.argument("name", required=False)
@click.option("--out", type=OutFile, help="Copy the manifest NAME to this file.")
@click.option("--force", is_flag=True, help="Overwrite the --out file if it exists.")
def manifests(name: str | None, out: Path | None, force: bool) -> None:
    """List the shipped manifests, show one, or copy it.

    NAME is a shipped manifest to show or copy, such as toybirds, or the beginning of names to list, such as paper/cub.
    """
    from hspcgan.pipeline.manifest import shipped
    from hspcgan.pipeline.manifest.files import shipped_manifests, shipped_path

    if out is not None:
        if name is None:
            raise click.UsageError("--out copies one manifest: give its NAME")
        shipped.copy_shipped(name, out, force)
        echo(f"{out}: a copy of {name}; next: hspcgan prepare {out}")
    elif name in shipped_manifests():
        echo(shipped_path(str(name)).read_text(encoding="utf-8").rstrip("\n"))
    else:
        rows = list(shipped.list_shipped(name or ""))
        if not rows:
            shipped_path(str(name))  # raises, with the closest name
        width = max(len(row) for row, _ in rows)
        echo("\n".join(f"{row:<{width}}  {text}".rstrip() for row, text in rows))
