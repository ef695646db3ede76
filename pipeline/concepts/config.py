"""The `parse` section of a manifest."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from hspcgan.model.common.validation import CheckedModel


class ParseConfig(CheckedModel):
    """How captions are converted into concept sets and scene graphs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    annotator: Literal["stanza", "spacy", "factual"] = Field(
        "spacy",
        description="The tool that parses captions. spacy: installed with the package; stanza: used in the paper, "
        "needs models from `hspcgan models fetch`; factual: a T5 that writes scene graphs.",
    )
    model: str = Field(
        "",
        description="The model of the annotator. stanza: toy-stanza, en, or a folder of .pt files; spacy: a package or "
        "folder; factual: a copy of a Hugging Face repository (lizhuang144/flan-t5-base-VG-factual-sg), with "
        "model.safetensors. If empty: stanza's en, spaCy's small English model, or weights/factual.",
    )
    spacy_model: str = Field(
        "",
        description="The spaCy model that parses captions for sng_parser (with any annotator): a package or folder. "
        "If empty: parse.model if the annotator is spacy, otherwise spaCy's small English model.",
    )
    batch_size: int = Field(
        256, ge=1, le=65_536, description="Number of captions parsed together; affects speed, not results."
    )
    processes: int = Field(
        1, ge=1, le=1_024, description="Number of worker processes; each loads its own copy of the models."
    )

    @field_validator("model", "spacy_model", mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        """Converts null to "", since YAML reads the empty value in `model:` or `-o parse.model=` as null."""
        return "" if value is None else value
