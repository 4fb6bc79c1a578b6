#!/bin/sh
# Runs one command for labctl so that it survives the connection, and holds it to its deadline. Runs as root.
#
#   run ID SPEC_BYTES STDIN_BYTES DEADLINE CAP GRACE   starts the spec on standard input, or attaches where ID is known
#   attach ID STDOUT_OFFSET STDERR_OFFSET              shows what is left of the output, then how it ended
#   kill ID                                            ends it as cancelled
#   close                                              ends whatever still runs; waits for a restart of the engine
#
# Next to this file, exec/ID/ is the record of one command: stdout, stderr (each cut at CAP bytes), keeper, watch and
# leader (pid, start time), end. What is sent to labctl is framed, as output may hold any bytes:
#
#   o N, e N   N bytes of standard output or error follow     c OUT ERR   how many bytes were cut off
#   r N        N bytes of explanation follow                  x KIND N    how it ended; the last frame
#   .          still there
#
# The processes: `keep` leads a session of its own, so that nothing of the connection reaches it. It starts two cappers
# (output), one watch (deadline, cancelling) and `setsid --wait`, which tells an exit status from a signal. Under that
# runs the command, leader of another session.

LC_ALL=C
export LC_ALL
umask 077
home=${0%/*}
records=$home/exec
marker=

# ---- files

# Makes file $1.new with room for a line, so that `settle` works on a full disk.
reserve() {
    printf '%128s\n' '' >"$1.new"
}

# Writes line $2 as file $1, whole or not at all, into the room that was reserved for it.
settle() {
    printf '%s\n' "$2" 1<>"$1.new" && mv -f -- "$1.new" "$1"
}

# ---- processes

# Prints the fields of process $1 after its name: state, parent, group, session and so on.
fields() {
    fields_line=
    read -r fields_line 2>/dev/null <"/proc/$1/stat" || return 1
    printf '%s\n' "${fields_line##*) }"
}

# Keeps the pid, start time and parent of this very shell, subshell or not, in file $1.
note_self() {
    read -r note_pid note_rest </proc/self/stat
    set -- "$1" ${note_rest##*) }
    printf '%s %s %s\n' "$note_pid" "${21}" "$3" >"$1.new" && mv -f -- "$1.new" "$1"
}

# Says whether the process noted in file $1 still is that process; leaves its pid in `noted`. No fork: it is polled.
is_alive() {
    noted= noted_start= noted_parent= alive_line=
    read -r noted noted_start noted_parent 2>/dev/null <"$1" || return 1
    read -r alive_line 2>/dev/null <"/proc/$noted/stat" || return 1
    set -- ${alive_line##*) }
    [ "$1" != Z ] && [ "${20}" = "$noted_start" ]
}

# Prints the processes that carry this command's mark in their environment, wherever they moved.
marked() {
    grep -lzxF -- "LABCTL_EXEC=$marker" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/||; s|/environ$||'
}

# Sends signal $1 to the command's process group, and to whoever left the group; to nobody twice.
strike() {
    kill -s "$1" -- "-$leader" 2>/dev/null
    for struck in $(marked); do
        set -- "$1" $(fields "$struck")
        [ "$4" = "$leader" ] || kill -s "$1" "$struck" 2>/dev/null
    done
}

remains() {
    kill -s 0 -- "-$leader" 2>/dev/null || [ -n "$(marked)" ]
}

# Ends everything of the command in record $1: TERM, $2 seconds of grace, KILL.
slay() {
    leader= leader_rest=
    read -r leader leader_rest 2>/dev/null <"$1/leader"
    [ -n "$leader" ] || return 0
    strike TERM
    slay_left=$(($2 * 20))
    while remains && [ "$slay_left" -gt 0 ]; do
        sleep 0.05
        slay_left=$((slay_left - 1))
    done
    slay_left=40
    while remains && [ "$slay_left" -gt 0 ]; do
        strike KILL
        sleep 0.05
        slay_left=$((slay_left - 1))
    done
}

# ---- the detached part

# Keeps the first `cap` bytes of standard input as $1 and counts the rest. Reads on whatever happens (full disk, cap
# reached): the command must never get SIGPIPE from here.
capped() {
    $unbuffered head -c "$cap" >"$record/$1"
    settle "$record/$1.cut" "$(wc -c)"
}

# Holds the deadline. TERM means cancel now, HUP means the command has ended.
watch() {
    why=timedout nap=
    trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; exit 0' HUP
    trap 'why=cancelled; [ -z "$nap" ] || kill "$nap" 2>/dev/null' TERM
    sleep "$deadline" &
    nap=$!
    # Only now may anybody signal: a nap whose pid is not known would outlive the command.
    note_self "$record/watch"
    [ "$why" = cancelled ] || wait "$nap"
    kill "$nap" 2>/dev/null
    trap '' TERM
    while [ ! -s "$record/leader" ]; do
        sleep 0.02
    done
    settle "$record/why" "$why"
    slay "$record" "$grace"
    # Whoever survived KILL hangs in the kernel; the record must not.
    ! is_alive "$record/leader" || kill -s KILL "$noted_parent" 2>/dev/null
}

sizes() {
    set -- $(stat -c %s -- "$record/stdout" "$record/stderr" 2>/dev/null)
    stdout_size=${1:-0} stderr_size=${2:-0}
}

# Waits until all output has arrived, but no longer than a child in the background holds it open in silence.
drain() {
    drain_quiet=0 drain_left=100 drain_before=
    while [ ! -e "$record/stdout.cut" ] || [ ! -e "$record/stderr.cut" ]; do
        sizes
        if [ "$drain_before" = "$stdout_size $stderr_size" ]; then
            drain_quiet=$((drain_quiet + 1))
        else
            drain_quiet=0
        fi
        drain_before="$stdout_size $stderr_size"
        drain_left=$((drain_left - 1))
        [ "$drain_quiet" -lt 10 ] && [ "$drain_left" -gt 0 ] || break
        sleep 0.02
    done
    sizes
}

# Writes how it ended: $1 kind, $2 number.
conclude() {
    stdout_cut=0 stderr_cut=0
    read -r stdout_cut 2>/dev/null <"$record/stdout.cut"
    read -r stderr_cut 2>/dev/null <"$record/stderr.cut"
    settle "$record/end" "$1 $2 $stdout_size $stderr_size ${stdout_cut:-0} ${stderr_cut:-0}"
}

# Judges status $1 of the waiting setsid.
judge() {
    read -r why 2>/dev/null <"$record/why" || why=
    if [ -n "$why" ]; then
        conclude "$why" 0
    elif [ "$(tail -n 1 "$record/reason" 2>/dev/null)" != ready ]; then
        cat "$record/wait" >>"$record/reason" 2>/dev/null
        conclude unstarted 0
    elif [ -s "$record/wait" ]; then
        conclude signalled $(($1 & 127))
    elif [ "$1" = 126 ] || [ "$1" = 127 ] && [ "$(head -c "${#refusal}" "$record/stderr")" = "$refusal" ]; then
        # The shell's own words, not the command's: nobody else speaks under this name.
        tail -c "+$((${#refusal} + 1))" "$record/stderr" >"$record/reason"
        conclude unstarted 0
    else
        conclude exited "$1"
    fi
}

# keep NEW ID DEADLINE CAP GRACE
keep() {
    record=$1 deadline=$3 cap=$4 grace=$5
    marker=$records/$2
    refusal="labctl:$marker: "
    note_self "$record/keeper"
    # The claim: whoever renames first runs it. The other finds a directory that is not empty.
    if ! mv -T -- "$record" "$records/$2" 2>/dev/null; then
        rm -rf -- "$record"
        return 0
    fi
    record=$records/$2
    unbuffered=
    ! command -v stdbuf >/dev/null 2>&1 || unbuffered='stdbuf -o0'
    : >"$record/stdout"
    : >"$record/stderr"
    for reserved in end why stdout.cut stderr.cut; do
        reserve "$record/$reserved" || return 1
    done
    mkfifo "$record/1" "$record/2" || return 1
    # Opened for both first, as opening one end waits for the other.
    exec 7<>"$record/1" 8<>"$record/2" 5<"$record/1" 6<"$record/2" 3>"$record/1" 4>"$record/2" 7>&- 8>&-
    rm -f -- "$record/1" "$record/2"
    # With `exec`: redirected otherwise, the shell keeps copies of the closed ends, and the pipes never end.
    (exec <&5 3>&- 4>&- 5<&- 6<&-; capped stdout) &
    (exec <&6 3>&- 4>&- 5<&- 6<&-; capped stderr) &
    exec 5<&- 6<&-
    (exec 3>&- 4>&-; watch) &
    watch_pid=$!
    # In the foreground: a shell makes what it starts in the background ignore SIGINT.
    setsid --fork --wait env -i "PATH=$PATH" /bin/sh "$0" lead "$record" "$marker" 2>"$record/wait"
    status=$?
    exec 3>&- 4>&-
    if [ ! -e "$record/why" ]; then
        while ! [ -e "$record/watch" ]; do sleep 0.01; done
        kill -s HUP "$watch_pid" 2>/dev/null
        wait "$watch_pid" 2>/dev/null
        # The deadline passed in this very moment, and the watch was stopped halfway.
        [ ! -e "$record/why" ] || slay "$record" "$grace"
    fi
    wait "$watch_pid" 2>/dev/null
    drain
    rm -f -- "$record/spec" "$record/stdin"
    judge "$status"
}

# What the command's own process does as the login user before it becomes the command: $0 is the name under which
# the shell complains, $1 the directory.
begin='
umask 022
cd -- "$1" 2>/dev/null || { printf "cannot enter the directory %s\n" "$1" >&5; exit 126; }
shift
unset OLDPWD
case $1 in
*/*)
    [ -e "$1" ] || { printf "no such file: %s\n" "$1" >&5; exit 127; }
    [ ! -d "$1" ] || { printf "is a directory: %s\n" "$1" >&5; exit 126; }
    [ -x "$1" ] || { printf "not executable: %s\n" "$1" >&5; exit 126; } ;;
*)
    command -v -- "$1" >/dev/null 2>&1 || { printf "no such program: %s\n" "$1" >&5; exit 127; } ;;
esac
printf "ready\n" >&5
exec "$@" >&3 2>&4 3>&- 4>&- 5>&-
'

# lead RECORD MARKER: leads the command's session. The spec sets uid, gid, directory, the command's words as positional
# parameters, and a function `environment`; it may hold secrets, so it is gone before the command starts.
lead() {
    record=$1 marker=$2
    exec 2>"$record/reason" 5>&2
    note_self "$record/leader"
    exec <"$record/stdin"
    . "$record/spec"
    rm -f -- "$record/spec" "$record/stdin"
    set -- /bin/sh -c "$begin" "labctl:$marker" "$directory" "$@"
    [ "$uid" = 0 ] || set -- "$(command -v setpriv)" --reuid "$uid" --regid "$gid" --init-groups -- "$@"
    LABCTL_EXEC=$marker
    export LABCTL_EXEC
    unset LC_ALL
    environment
    exec "$@"
}

# ---- the attached part

frame() {
    printf "$@" 2>/dev/null || exit 1
}

fault() {
    frame 'r %d\n%s' "${#1}" "$1"
    frame 'x fault 0\n'
    exit 0
}

# Sends bytes $3 to $4 of record file $2 as frame $1.
send() {
    # Output that held a secret may have been removed.
    [ "$4" -gt "$3" ] && [ -e "$record/$2" ] || return 0
    frame '%s %d\n' "$1" "$(($4 - $3))"
    tail -c "+$(($3 + 1))" -- "$record/$2" | head -c "$(($4 - $3))"
}

lose() {
    marker=$records/$1
    ! is_alive "$record/watch" || kill -s HUP "$noted" 2>/dev/null
    slay "$record" 2
    rm -f -- "$record/spec" "$record/stdin"
    sizes
    printf 'its supervisor on the node is gone: the node was restarted, or somebody killed it\n' >"$record/reason"
    conclude lost 0
}

show_end() {
    read -r kind number stdout_end stderr_end stdout_cut stderr_cut <"$record/end"
    send o stdout "$stdout_at" "$stdout_end"
    send e stderr "$stderr_at" "$stderr_end"
    frame 'c %d %d\n' "$stdout_cut" "$stderr_cut"
    case $kind in
    unstarted | lost)
        reason=$(head -c 4096 "$record/reason")
        frame 'r %d\n%s' "${#reason}" "$reason" ;;
    esac
    frame 'x %s %d\n' "$kind" "$number"
}

# attach ID STDOUT_OFFSET STDERR_OFFSET
attach() {
    record=$records/$1 stdout_at=$2 stderr_at=$3 turn=0
    until [ -e "$record/end" ]; do
        if ! is_alive "$record/keeper" && [ ! -e "$record/end" ]; then
            lose "$1"
            break
        fi
        sizes
        send o stdout "$stdout_at" "$stdout_size"
        send e stderr "$stderr_at" "$stderr_size"
        [ "$stdout_at" -ge "$stdout_size" ] || stdout_at=$stdout_size
        [ "$stderr_at" -ge "$stderr_size" ] || stderr_at=$stderr_size
        turn=$((turn + 1))
        # Each turn starts processes: a command that is not over at once is looked at less often.
        if [ "$turn" -lt 8 ]; then
            sleep 0.01
        elif [ "$turn" -lt 20 ]; then
            sleep 0.03
        else
            sleep 0.1
            # Tells whether anybody still listens.
            [ $((turn % 20)) -gt 0 ] || frame '.\n'
        fi
    done
    show_end
}

# run ID SPEC_BYTES STDIN_BYTES DEADLINE CAP GRACE
run() {
    if [ ! -d "$records/$1" ]; then
        mkdir -p -- "$records" && new=$(mktemp -d -- "$records/.new.XXXXXX") || fault 'cannot write the record'
        trap 'rm -rf -- "$new"; exit 1' HUP INT TERM PIPE
        head -c "$2" >"$new/spec" && head -c "$3" >"$new/stdin" || {
            rm -rf -- "$new"
            fault 'cannot write the record: the disk may be full'
        }
        set -- "$1" "$2" "$3" "$4" "$5" "$6" $(stat -c %s -- "$new/spec" "$new/stdin")
        if [ "$7" != "$2" ] || [ "$8" != "$3" ]; then
            rm -rf -- "$new"
            fault 'the order did not arrive whole'
        fi
        setsid --fork /bin/sh "$0" keep "$new" "$1" "$4" "$5" "$6" </dev/null >/dev/null 2>"$new/trouble"
        run_left=1000
        until [ -d "$records/$1" ]; do
            run_left=$((run_left - 1))
            [ "$run_left" -gt 0 ] || fault "the supervisor did not start: $(cat "$new/trouble" 2>/dev/null)"
            sleep 0.01
        done
        trap - HUP INT TERM PIPE
    fi
    attach "$1" 0 0
}

# kill ID: waits until it has ended.
kill_record() {
    record=$records/$1 kill_left=1200
    [ -d "$record" ] || return 0
    until [ -e "$record/end" ] || [ "$kill_left" -le 0 ]; do
        if ! is_alive "$record/keeper"; then
            [ -e "$record/end" ] || lose "$1"
            return 0
        fi
        # Again and again: the watch may not have been ready.
        ! is_alive "$record/watch" || kill -s TERM "$noted" 2>/dev/null
        sleep 0.05
        kill_left=$((kill_left - 1))
    done
}

# Waits until what is in record $1 has ended by itself. Its keeper holds it to its deadline.
await_record() {
    while [ ! -e "$records/$1/end" ] && is_alive "$records/$1/keeper"; do
        sleep 0.05
    done
}

close() {
    for closed in "$records"/*/; do
        [ -d "$closed" ] || continue
        closed=${closed%/}
        closed=${closed##*/}
        # Half a restart leaves no engine.
        case $closed in
        *-restart | *-restart-back) await_record "$closed" & ;;
        *) kill_record "$closed" & ;;
        esac
    done
    wait
}

verb=$1
shift
case $verb in
run | attach | kill)
    case $1 in
    '' | .* | */*) fault 'a bad name for a record' ;;
    esac ;;
esac
case $verb in
run | attach)
    # Whatever a login shell printed before this line is no frame.
    frame '\nlabctl-exec-1\n'
    if [ "$verb" = attach ] && [ ! -d "$records/$1" ]; then
        fault 'no such record'
    fi
    "$verb" "$@" ;;
kill) kill_record "$@" ;;
close) close ;;
keep | lead) "$verb" "$@" ;;
esac
