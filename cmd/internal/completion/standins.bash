# Where the bash-completion package is not installed, these two stand in for what the
# script below takes from it.
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
    # bash splits words at = and : as well; those given after -n are joined again.
    local apart= rest=$COMP_LINE i piece before=
    [[ $1 == -n ]] && apart=$2
    words=() cword=0
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        piece=${COMP_WORDS[i]}
        if ((i > 0)) && [[ -n $apart && $rest != [[:space:]]* &&
            ($piece == ["$apart"]* || $before == *["$apart"]) ]]; then
            words[${#words[@]} - 1]+=$piece
        else
            words+=("$piece")
        fi
        ((i == COMP_CWORD)) && cword=$((${#words[@]} - 1))
        rest=${rest#"${rest%%[![:space:]]*}"}
        rest=${rest#"$piece"}
        before=$piece
    done
    cur=${words[cword]} prev=
    ((cword == 0)) || prev=${words[cword - 1]}
}
declare -F _filedir >/dev/null || _filedir() {
    # -d: folders; "yaml|yml": folders, and files that end so; nothing: every file.
    local file
    compopt -o filenames
    while IFS= read -r file; do
        if [[ -d $file || $# -eq 0 || ($1 != -d && "|$1|" == *"|${file##*.}|"*) ]]; then
            COMPREPLY+=("$file")
        fi
    done < <(compgen -f -- "$cur")
}

