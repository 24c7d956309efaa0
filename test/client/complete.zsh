# Types into an interactive zsh that has completion, with the folder $1 in its fpath: each $2, $4, … and a Tab, and waits for
# the line to be $3, $5, …
zmodload zsh/zpty zsh/zselect
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit && compinit -u -D; PS1='at work''> '"

until_shown() {
  local shown= part
  until [[ $shown == *$1* ]]; do
    zpty -t shell || exit 1
    if zpty -r -t shell part; then shown+=$part; else zselect -t 5; fi
  done
}

until_shown 'at work> '
shift
for typed expected in "$@"; do
  zpty -w -n shell "$typed"$'\t'
  until_shown "$expected"
  zpty -w -n shell $'\C-U'
done
zpty -d shell
