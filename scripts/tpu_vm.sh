#!/usr/bin/env bash
# Train on a Cloud TPU VM: create, set up, run, go on after a preemption, delete. `scripts/tpu_vm.sh --help`.
#
# Every worker of the slice runs the same `gan train`, which finds the others by itself (jax.distributed). On the VM a job
# is the folder ~/gan-job: its log, its process id, and its exit code once it has ended.
set -euo pipefail

readonly OK=0 FAILED=1 BAD_INPUT=2 STOPPED=75 # exit codes of gan, and of this script
readonly TRIES=10                             # failed commands in a row after which watch gives up
# Is the job's process there? Its number alone could be another's after a restart of the VM.
# shellcheck disable=SC2016 # what stands in single quotes is expanded on the worker
readonly ALIVE='[ -e gan-job/pid ] && grep -qs gan-job "/proc/$(cat gan-job/pid)/cmdline"'
exec 3>&1                                     # where a dry run prints, whatever stdout is at that place

usage() {
  cat <<'HELP'
Usage: scripts/tpu_vm.sh COMMAND --name NAME --zone ZONE [options] [-- command for ssh]

Commands
  create    make the TPU VM (with --spot: ask for it in the queue) and wait until it is ready
  setup     install gan on every worker
  run       start the training on every worker, in the background; it survives the end of this command
  resume    whatever there is: wait for it, or make it anew when it was preempted or is gone; set up; run
  watch     resume, then poll, and resume again after every preemption, until the training is done
  status    state of the VM, and of the job on every worker
  logs      the end of worker 0's log; --follow goes on
  ssh       a shell on worker 0; with `-- COMMAND`, that command on every worker
  delete    delete the VM (and its place in the queue); asks first, unless --yes

Options
  --name NAME        of the VM, and of its queued resource
  --zone ZONE        europe-west4-b
  --project PROJECT  Google Cloud project; without it, gcloud's own setting
  --type TYPE        accelerator: v5litepod-16, v5p-32, v4-8, ... (default v5litepod-8)
  --version VERSION  TPU software version (default: the one for the type)
  --spot             spot capacity through a queued resource: cheap, and taken away at any time
  --recipe RECIPE    a shipped recipe, or a local file, which is copied to every worker (default dcgan_mnist)
  --out URL          the run: gs://bucket/run. A path on the VM is lost with it, and refused with --spot
  --data-dir URL     where data sets are; gs://bucket/data
  --extra ARGUMENT   one further argument of `gan train`; repeatable: --extra --set --extra train.batch=1024
  --package SPEC     what pip installs instead of this checkout's last commit: "gan-cli[tpu,gcs] @ https://..."
  --poll SECONDS     of waiting and of watch, between two looks (default 60)
  --max-resumes N    of watch: give up after so many (default 100)
  --follow           of logs
  --yes              of delete: do not ask
  --help             this text
  --dry-run          print every command and run none: the longest way, that of a VM which has to be made

Exit codes: 0 done, 2 bad input (here or to gan), 75 interrupted (the same command goes on), 1 anything else.

Examples
  scripts/tpu_vm.sh watch --name digits --zone europe-west4-b --type v5litepod-16 --spot \
    --recipe dcgan_mnist --out gs://bucket/runs/digits --data-dir gs://bucket/data
  scripts/tpu_vm.sh run --name digits --zone europe-west4-b --recipe "my recipe.toml" --out gs://bucket/runs/mine \
    --extra --set --extra train.steps=50000
  scripts/tpu_vm.sh ssh --name digits --zone europe-west4-b -- 'nproc; free -g'
  scripts/tpu_vm.sh delete --name digits --zone europe-west4-b --spot --yes
HELP
}

say() { printf '%s\n' "$*" >&2; }

fail() {
  local code=$1
  shift
  say "error: $*"
  exit "$code"
}

# ---------------------------------------------------------------- options

parse() {
  command=${1:-}
  name='' zone='' project='' type=v5litepod-8 version='' recipe=dcgan_mnist out='' data_dir='' package=''
  spot=no follow=no yes=no dry_run=no poll=60 max_resumes=100
  extra=() rest=()
  case $command in
    create | setup | run | resume | watch | status | logs | ssh | delete) shift ;;
    -h | --help | help) usage && exit "$OK" ;;
    '') usage >&2 && exit "$BAD_INPUT" ;;
    *) fail "$BAD_INPUT" "no such command: $command; valid: create, setup, run, resume, watch, status, logs, ssh, delete" ;;
  esac
  while (($#)); do
    case $1 in
      --name | --zone | --project | --type | --version | --recipe | --out | --data-dir | --package | --poll | --max-resumes | --extra)
        (($# > 1)) || fail "$BAD_INPUT" "$1 wants a value"
        assign "$1" "$2"
        shift 2
        ;;
      --spot) spot=yes && shift ;;
      --follow) follow=yes && shift ;;
      --yes) yes=yes && shift ;;
      --dry-run) dry_run=yes && shift ;;
      -h | --help) usage && exit "$OK" ;;
      --) shift && rest=("$@") && break ;;
      *) fail "$BAD_INPUT" "no such option: $1; see --help" ;;
    esac
  done
}

assign() {
  case $1 in
    --name) name=$2 ;;
    --zone) zone=$2 ;;
    --project) project=$2 ;;
    --type) type=$2 ;;
    --version) version=$2 ;;
    --recipe) recipe=$2 ;;
    --out) out=$2 ;;
    --data-dir) data_dir=$2 ;;
    --package) package=$2 ;;
    --poll) poll=$2 ;;
    --max-resumes) max_resumes=$2 ;;
    --extra) extra+=("$2") ;;
  esac
}

check_options() {
  [[ $name ]] || fail "$BAD_INPUT" "--name is missing: the name of the TPU VM"
  [[ $zone ]] || fail "$BAD_INPUT" "--zone is missing: for example europe-west4-b"
  [[ $poll =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "$BAD_INPUT" "--poll $poll: a number of seconds is wanted"
  [[ $max_resumes =~ ^[0-9]+$ ]] || fail "$BAD_INPUT" "--max-resumes $max_resumes: a whole number is wanted"
  [[ $version ]] || version=$(runtime "$type") || exit "$BAD_INPUT"
  case $command in run | resume | watch) check_out ;; esac
  where=(--zone "$zone")
  [[ -z $project ]] || where+=(--project "$project")
  root=$(dirname "${BASH_SOURCE[0]}")/..
  [[ $dry_run == yes ]] || command -v gcloud >/dev/null ||
    fail "$FAILED" "gcloud is not on the PATH: https://cloud.google.com/sdk/docs/install"
}

check_out() {
  [[ $out ]] || fail "$BAD_INPUT" "--out is missing: gs://bucket/run, where the run is kept"
  [[ $out != gs://* ]] || return 0
  [[ $spot == no ]] || fail "$BAD_INPUT" "--out $out is on the VM, which --spot may take away at any time; use gs://bucket/run"
  say "warning: --out $out is on the VM's own disk, and is lost with it"
}

# https://cloud.google.com/tpu/docs/runtimes
runtime() {
  case $1 in
    v6e-*) echo v2-alpha-tpuv6e ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v2-* | v3-* | v4-*) echo tpu-ubuntu2204-base ;;
    *) fail "$BAD_INPUT" "--type $1: no TPU software version is known for it; name one with --version" ;;
  esac
}

# ---------------------------------------------------------------- gcloud

# Run a command, or print it as a shell would read it.
call() {
  if [[ $dry_run == yes ]]; then
    local word line=''
    for word; do
      [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word=${word@Q}
      line+="$word "
    done
    printf '%s\n' "${line% }" >&3
  else
    "$@" 3>&-
  fi
}

# tpus GROUP VERB [arguments]: GROUP is tpu-vm or queued-resources.
tpus() { call gcloud compute tpus "$1" "$2" "$name" "${where[@]}" "${@:3}"; }

# on WORKER COMMAND: run a shell command on a worker, or on "all".
on() { tpus tpu-vm ssh --quiet --worker="$1" --command="$2"; }

# copy FILE NAME: to the home folder of every worker.
copy() { call gcloud compute tpus tpu-vm scp --quiet --worker=all "${where[@]}" "$1" "$name:$2"; }

# describe GROUP FIELD: the field, or MISSING when there is no such thing; fails when gcloud fails otherwise.
describe() {
  local errors said code=0
  errors=$(mktemp)
  said=$(tpus "$1" describe --format="value($2)" 2>"$errors") || code=$?
  [[ $dry_run == no ]] || said=$assumed
  if ((code)) && grep -qiE 'not[ _]?found' "$errors"; then
    said=MISSING code=0
  elif ((code)); then
    say "error: gcloud could not describe $name: $(tail -n 3 "$errors")"
  fi
  rm -f "$errors"
  printf '%s\n' "$said"
  return "$code"
}

# What there is: missing, ready, waiting, stopped, or gone (preempted or failed: what is left must be deleted first).
state() {
  local queued=ACTIVE node
  if [[ $spot == yes ]]; then
    queued=$(describe queued-resources state.state) || return
  fi
  case $queued in
    ACTIVE) ;;
    MISSING) echo missing && return ;;
    FAILED | SUSPENDING | SUSPENDED) echo gone && return ;;
    *) echo waiting && return ;; # CREATING, ACCEPTED, WAITING_FOR_RESOURCES, PROVISIONING, DELETING
  esac
  node=$(describe tpu-vm state) || return
  case $node in
    READY | ACTIVE) echo ready ;; # ACTIVE: what a dry run assumes of both
    PREEMPTED | TERMINATED | FAILED) echo gone ;;
    STOPPING | STOPPED) echo stopped ;;
    MISSING) if [[ $spot == yes ]]; then echo gone; else echo missing; fi ;;
    *) echo waiting ;; # CREATING, STARTING, RESTARTING, REIMAGING, REPAIRING, DELETING
  esac
}

# ---------------------------------------------------------------- commands
# A function that others ask for success says `|| return` after each step: bash's -e does not hold in them.

create() {
  local found
  assumed=MISSING
  found=$(state) || return
  case $found in
    ready) say "$name is there, and ready" && return ;;
    gone) fail "$FAILED" "$name was preempted or has failed; 'resume' makes it anew, 'delete' removes it" ;;
    stopped) stopped ;;
    missing) make || return ;;
  esac
  wait_until_ready
}

stopped() { fail "$FAILED" "$name is stopped; start it (gcloud compute tpus tpu-vm start) or delete it"; }

# Returns STOPPED when the zone has no capacity just now; ends the script on any other error, as of quota.
make() {
  local errors code=0
  say "asking for $name: $type in $zone$([[ $spot == no ]] || echo ', spot')"
  errors=$(mktemp)
  if [[ $spot == yes ]]; then
    tpus queued-resources create --node-id="$name" --accelerator-type="$type" --runtime-version="$version" --spot \
      2> >(tee "$errors" >&2) || code=$?
  else
    tpus tpu-vm create --accelerator-type="$type" --version="$version" 2> >(tee "$errors" >&2) || code=$?
  fi
  wait # for tee
  if ((code)) && grep -qiE 'no more capacity|not enough (resources|capacity)|stockout' "$errors"; then
    code=$STOPPED
  elif ((code)); then
    fail "$FAILED" "$name could not be made; gcloud's reason is above"
  fi
  rm -f "$errors"
  return "$code"
}

wait_until_ready() {
  local found
  assumed=ACTIVE
  while true; do
    found=$(state) || return
    case $found in
      ready) return ;;
      waiting) say "waiting for $name" && pause ;;
      *) return "$STOPPED" ;; # lost again while it was made
    esac
  done
}

# The images have Python 3.10; uv finds or brings a newer one.
setup() {
  local spec=$package folder
  if [[ -z $spec ]]; then
    folder=$(mktemp -d)
    call git -C "$root" archive --format=tar.gz --prefix=gan/ --output="$folder/gan.tar.gz" HEAD || return
    copy "$folder/gan.tar.gz" gan.tar.gz || return
    rm -rf "$folder"
    spec='gan-cli[tpu,gcs] @ file://HOME/gan.tar.gz'
  fi
  on all "$(remote_setup "$spec")"
}

# shellcheck disable=SC2016 # what stands in single quotes is expanded on the worker
remote_setup() {
  printf '%s; ' 'set -eu' 'cd' 'python3 -m pip install --quiet --user uv'
  printf '%s; ' 'python3 -m uv venv --quiet --allow-existing --python ">=3.11" gan-venv'
  printf 'spec=%q; ' "$1"
  printf '%s' 'python3 -m uv pip install --quiet --python gan-venv/bin/python "${spec/file:\/\/HOME/file://$HOME}"'
}

run() {
  local wanted=$recipe arguments
  if [[ -f $recipe ]]; then
    copy "$recipe" gan-recipe.toml || return
    wanted=gan-recipe.toml
  fi
  arguments=(gan-venv/bin/gan train "$wanted" --out "$out")
  [[ -z $data_dir ]] || arguments+=(--data-dir "$data_dir")
  on all "$(remote_run "${arguments[@]}" "${extra[@]}")"
}

# Starts a job that outlives the connection. At the end of the VM SIGTERM comes to gan, and its shell waits for it.
# shellcheck disable=SC2016
remote_run() {
  local job='trap : TERM; "$@"; echo $? >gan-job/exit.new; mv gan-job/exit.new gan-job/exit'
  printf '%s; ' 'set -eu' 'cd' 'mkdir -p gan-job'
  printf '%s; ' "if [ ! -e gan-job/exit ] && $ALIVE; then echo already running; exit 0; fi"
  printf 'rm -f gan-job/exit; nohup setsid bash -c %q gan-job' "$job"
  printf ' %q' "$@"
  printf '%s' ' >>gan-job/log 2>&1 </dev/null & echo $! >gan-job/pid'
}

resume() {
  local found
  assumed=FAILED
  found=$(state) || return
  case $found in
    ready) ;;
    stopped) stopped ;;
    waiting) wait_until_ready || return ;;
    missing) make || return ;;
    gone)
      say "$name was preempted or has failed; it is made anew"
      remove --quiet || return
      make || return
      ;;
  esac
  wait_until_ready || return
  if [[ $found != ready ]] || ! on all 'test -x gan-venv/bin/gan'; then
    setup || return
  fi
  run
}

# Every worker says "gan-job CODE": running, none, or an exit code; looked for twice, since it may end just then.
# shellcheck disable=SC2016
readonly REMOTE_STATUS='cd; if [ ! -e gan-job/exit ] && '"$ALIVE"'; then code=running;'\
' else code=$(cat gan-job/exit 2>/dev/null || echo none); fi; echo "gan-job $code"'

# The job in one word: running, done, interrupted (to be resumed), refused, failed, unknown (no answer).
job() {
  local said code verdict=unknown
  said=$(on all "$REMOTE_STATUS" 2>/dev/null) || { echo unknown && return; }
  [[ $dry_run == no ]] || said='gan-job 0'
  while read -r code; do
    case $code in
      running) verdict=running && break ;; # if another has ended, this one ends soon by itself
      "$BAD_INPUT") verdict=refused ;;
      0) [[ $verdict != unknown ]] || verdict='done' ;;
      none | "$STOPPED" | 12[89] | 1[3-9][0-9]) [[ $verdict == refused || $verdict == failed ]] || verdict=interrupted ;;
      *) [[ $verdict == refused ]] || verdict=failed ;;
    esac
  done < <(grep -oE 'gan-job (running|none|[0-9]+)' <<<"$said" | cut -d' ' -f2)
  echo "$verdict"
}

watch() {
  local found failures=0 resumes=0
  trap 'say "no longer watched; the training goes on, and the same command watches it again"; exit "$STOPPED"' INT TERM
  found=interrupted
  while true; do
    case $found in
      done) say "done: $out" && return ;;
      refused) ended "$BAD_INPUT" "gan refused its input" ;;
      failed) ended "$FAILED" "the training failed" ;;
      running) failures=0 && pause ;;
      interrupted) again ;;
      unknown) look_after || again ;;
    esac
    found=$(job)
  done
}

ended() {
  logs || true
  fail "$1" "$2; the end of its log is above"
}

# A worker did not answer: succeeds when the VM is there all the same, having waited.
look_after() {
  local now
  failed_once "the workers of $name do not answer"
  now=$(state) || now=ready # gcloud failed as well; that is counted
  [[ $now != ready ]] || pause
  [[ $now == ready ]]
}

# Resume until it is done, within the bounds on how often, and on failures in a row.
again() {
  local code
  while true; do
    ((resumes++ <= max_resumes)) || fail "$FAILED" "given up after $max_resumes resumes (--max-resumes)"
    code=0
    resume || code=$?
    if ((code == 0)); then
      failures=0
      return
    elif ((code != STOPPED)); then
      failed_once "$name could not be resumed"
    fi
    pause
  done
}

failed_once() {
  ((++failures < TRIES)) || fail "$FAILED" "$1; given up after $TRIES failures in a row"
  say "$1; the next try is in $poll s"
}

# So that a signal is answered at once, and not after the sleep.
pause() {
  sleep "$poll" &
  wait $!
}

status() {
  assumed=ACTIVE
  if [[ $spot == yes ]]; then
    echo "queue: $(describe queued-resources state.state)"
  fi
  echo "VM: $(describe tpu-vm state)"
  on all "$REMOTE_STATUS; tail -n 1 gan-job/log 2>/dev/null"
}

logs() { on 0 "tail -n 50 $([[ $follow == no ]] || echo '-f ')gan-job/log"; }

ssh_() {
  if ((${#rest[@]})); then
    on all "${rest[*]}"
  else
    tpus tpu-vm ssh --worker=0
  fi
}

remove() {
  if [[ $spot == yes ]]; then
    tpus queued-resources delete --force "$@" # --force: with its VM
  else
    tpus tpu-vm delete "$@"
  fi
}

delete() { if [[ $yes == yes ]]; then remove --quiet; else remove; fi; }

main() {
  parse "$@"
  check_options
  case $command in
    ssh) ssh_ ;;
    *) "$command" ;;
  esac
}

main "$@"
