"""The site's settings in the marked language, for a server that a test starts: MARKED_LOCALE says where that is."""

import os
from pathlib import Path

from zenithedge.settings import *  # noqa: F403

LANGUAGE = "en-xa"  # zenithedge.tests.pseudo, which needs the apps that these settings make

LOCALE_PATHS = [Path(os.environ["MARKED_LOCALE"])]
LANGUAGES = [(LANGUAGE, "⟦⟧")]
LANGUAGE_CODE = LANGUAGE
