"""The flags that all three hosts have, as far as an extension may look at them. They are read when this is imported."""

import argparse
import os

from modules.paths import script_path

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--listen", action="store_true")
parser.add_argument("--share", action="store_true")
parser.add_argument("--ngrok", type=str)
parser.add_argument("--server-name", type=str)
parser.add_argument("--gradio-auth", type=str)
parser.add_argument("--api-auth", type=str)
parser.add_argument("--subpath", type=str)
parser.add_argument("--embeddings-dir", type=str, default=os.path.join(script_path, "embeddings"))
parser.add_argument("--ckpt-dir", type=str)
parser.add_argument("--tls-keyfile", type=str)
parser.add_argument("--tls-certfile", type=str)
parser.add_argument("--disable-tls-verify", action="store_false")
parser.add_argument("--api", action="store_true")
parser.add_argument("--theme", type=str)
cmd_opts = parser.parse_args()
