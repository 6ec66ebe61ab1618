"""Errors in a definition or in its data."""


class StepError(Exception):
    """A step fails, and repeating it would change nothing. It is never retried."""


class FieldNotFound(StepError):
    """A path leads nowhere in the context."""

    def __init__(self, path: str) -> None:
        super().__init__(f"field not found: {path}")
        self.path = path


class ConditionFault(StepError):
    """A condition is invalid, or its values do not fit its operator."""


class TemplateFault(StepError):
    """A template cannot be rendered within the limits."""


class DefinitionError(Exception):
    """A definition is refused as a whole. `path` is the JSON path of the problem."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
