"""What a manifest's `parse` section may say."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ParseConfig(BaseModel):
    """How captions become concept sets and scene graphs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    annotator: Literal["stanza", "spacy", "factual"] = Field(
        "spacy",
        description="Who analyses the words for the concept sets; spacy: installed with the package; stanza: finer, "
        "its models must be fetched; factual: a T5 that writes scene graphs.",
    )
    model: str = Field(
        "",
        description="stanza: toy-stanza, en, or a folder of .pt files; spacy: a package or folder; "
        "factual: a folder as Hugging Face has it (lizhuang144/flan-t5-base-VG-factual-sg), with model.safetensors. "
        "Empty: stanza's en, or the first installed of spaCy's small English models.",
    )
    spacy_model: str = Field("", description="spaCy model that sng_parser and factual read; empty: as above.")
    batch_size: int = Field(256, ge=1, le=65_536, description="Captions analysed together; changes speed, not results.")
    processes: int = Field(1, ge=1, le=1_024, description="Worker processes, each with its own models.")

    @field_validator("model", "spacy_model", mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        """`model:` and `-o parse.model=` are null in YAML."""
        return "" if value is None else value
