"""Puts the extensions' JavaScript and styles into Gradio's page."""

import os
from pathlib import Path

import gradio as gr
from modules.paths import extensions_dir

from modules import scripts

SCRIPT_JS = """
function gradioApp() { return document; }
function switch_to_txt2img() { document.querySelector('#tabs button[role="tab"], #tabs .tab-nav button').click(); }
"""
STYLES = """
.block.padded:not(.gradio-accordion) { padding: 0 !important; }
div.gradio-container { max-width: unset !important; overflow: visible !important; }
footer { display: none !important; }
#footer { text-align: center; }
#footer div { display: inline-block; }
"""
original = gr.routes.templates.TemplateResponse


def webpath(path):
    return f"file={path}?{os.path.getmtime(path)}"


def reload_javascript():
    head = f'<script type="text/javascript">{SCRIPT_JS}</script>\n'
    for _, path in scripts.list_scripts("javascript", ".js"):
        head += f'<script type="text/javascript" src="{webpath(path)}"></script>\n'
    styles = sorted(Path(extensions_dir).glob("*/style.css"))
    css = f"<style>{STYLES}</style>"
    css += "".join(f'<link rel="stylesheet" property="stylesheet" href="{webpath(path)}">' for path in styles)

    def template_response(*args, **kwargs):
        answer = original(*args, **kwargs)
        answer.body = answer.body.replace(b"</head>", f"{head}</head>".encode())
        answer.body = answer.body.replace(b"</body>", f"{css}</body>".encode())
        answer.init_headers()
        return answer

    gr.routes.templates.TemplateResponse = template_response
