# Sourced by experiments/quickstart.sh, experiments/published.sh, tests/run.sh and tests/tidy.sh.

# install_packages PACKAGE...
#
# Installs those Debian packages that are missing, as root or with a sudo that asks for no password. Otherwise prints
# the line to type and fails. Never reads from the terminal.
install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian system; be sure to have the equivalents of: $*" >&2
    return 0
  fi
  local package missing=()
  for package in "$@"; do
    [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    if ! sudo -n true </dev/null 2>/dev/null; then
      echo "Some Debian packages are missing. Install them and start again:" >&2
      echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo "Installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  "${apt[@]}" update </dev/null || echo "apt-get update failed; trying with the lists at hand" >&2
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# What the simulator itself needs.
dflop_packages=(g++ cmake ninja-build pkg-config libsimgrid-dev libboost-dev nlohmann-json3-dev libcli11-dev
                coinor-libcbc-dev)
