#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# check_undefined.sh NM OBJECT: fails if the object refers to anything outside of itself, or needs
# constructors to run. Root mode can reach no function of Linux, and a module's loader runs no
# .init_array.
set -eu
undefined=$("$1" --undefined-only "$2")
if [ -n "$undefined" ]; then
    echo "$2 refers to symbols outside of the core:" >&2
    echo "$undefined" >&2
    exit 1
fi
if "$(dirname "$(command -v "$1")")/readelf" -SW "$2" | grep -qE '\.(init_array|ctors|fini_array)'; then
    echo "$2 has constructors or destructors of static objects" >&2
    exit 1
fi
