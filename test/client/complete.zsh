# Types into an interactive zsh that has completion, with the folder $1 in its fpath: each $2, $4, … and a Tab, and waits for
# the line to be $3, $5, …
zmodload zsh/zpty
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit && compinit -u -D; echo read''y"

until_shown() {
  local shown= part
  until [[ $shown == *$1* ]]; do zpty -r shell part || exit 1; shown+=$part; done
}

until_shown ready
shift
for typed expected in "$@"; do
  zpty -w -n shell "$typed"$'\t'
  until_shown "$expected"
  zpty -w -n shell $'\C-U'
done
zpty -d shell
