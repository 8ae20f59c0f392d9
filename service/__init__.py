"""Model catalog: a true, dated, always-available catalog of the models behind an LLM gateway."""

from importlib.metadata import version

__version__ = version("model-catalog")
