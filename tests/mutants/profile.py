"""A plugin of pytest, for runs that look for planted bugs: what fails is not made smaller, which can take minutes."""

from __future__ import annotations

from typing import Final

from hypothesis import Phase, settings

NAME: Final = "planted"

# Of its dice: the same in every run, and a slow machine is no finding.
settings.register_profile(NAME, settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
