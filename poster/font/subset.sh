#!/bin/sh
# Makes NotoSansSC-subset.ttf anew. Needs npm and, of Debian, fonttools and unicode-data.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent @expo-google-fonts/noto-sans-sc@0.4.3
tar xzf expo-google-fonts-noto-sans-sc-0.4.3.tgz
python3 "$here/characters.py" >characters.txt
pyftsubset package/400Regular/NotoSansSC_400Regular.ttf --unicodes-file=characters.txt \
	--output-file="$here/NotoSansSC-subset.ttf" --no-hinting --layout-features= \
	--name-IDs=0,1,2,3,4,5,6,13,14 --drop-tables+=GSUB,GPOS,GDEF,vhea,vmtx,BASE
cp package/LICENSE_FONT "$here/OFL.txt"
