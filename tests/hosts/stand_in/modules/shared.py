"""What everybody shares."""

from modules.options import OptionInfo, Options
from modules.shared_cmd_options import cmd_opts

__all__ = ["OptionInfo", "cmd_opts", "demo", "opts", "state"]


class State:
    need_restart = False

    def request_restart(self):
        self.need_restart = True


state = State()
opts = Options()
demo = None
