"""The text of a packed agent's `main.py`."""

from __future__ import annotations

__all__ = ["MAIN", "MAIN_WITH_MODELS"]

_FORM = '''"""A 20 Questions agent that guesses and answers from the vocabulary and table beside it{also}."""

import os
import sys

# The contest executes this text without a __file__, in a process that may stand anywhere.
HERE = next(
    place
    for place in (
        os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename)),
        "/kaggle_simulations/agent",
        os.getcwd(),
    )
    if os.path.isfile(os.path.join(place, "answer_table", "manifest.json"))
)
sys.path.insert(0, HERE)
{offline}
from pathlib import Path

{clock}from twenty_questions.agent import make_agent
from twenty_questions.builtin.phrasing import wordings_of
from twenty_questions.joint.config import JointConfig
{panel}from twenty_questions.table import open_table
from twenty_questions.vocabulary.packed import read_vocabulary
{voting}
TABLE = open_table(Path(HERE) / "answer_table")
WORDS = read_vocabulary(Path(HERE) / "vocabulary.bin")
{voter}PLAY = make_agent(TABLE, JointConfig(), words=WORDS, wordings=wordings_of(TABLE){fallback})


# The contest takes the last callable of this file for the agent.
def agent(observation, configuration):
{begin}    return PLAY(observation, configuration)
'''

MAIN = _FORM.format(also="", offline="", clock="", panel="", voting="", voter="", fallback="", begin="")
"""Of an agent that plays from its vocabulary and table alone."""

MAIN_WITH_MODELS = _FORM.format(
    also=", and asks models besides",
    offline="""
# The libraries of models look for newer files on the network, which there is not.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
""",
    clock="from twenty_questions.act_clock import ActClock\n",
    panel="from twenty_questions.panel import open_packed_panel\n",
    voting="from twenty_questions.voting import make_fallback\n",
    voter="CLOCK = ActClock()\nVOTER = open_packed_panel(Path(HERE))\n",
    fallback=", fallback=make_fallback(VOTER, CLOCK.left)",
    begin="    CLOCK.begin(observation)\n",
)
"""Of one whose answers models vote on, where neither the rules nor the table tell."""
