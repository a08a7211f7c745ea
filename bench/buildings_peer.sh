#!/bin/sh
# Installs buildingregulariser into a virtual environment of its own, for bench.buildings --peer FOLDER/bin/python
set -eu
folder=${1:?"usage: sh bench/buildings_peer.sh FOLDER"}
uv venv --python "$(command -v python)" "$folder"
uv pip install --python "$folder/bin/python" buildingregulariser==0.2.5
