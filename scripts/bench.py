"""Measures for scripts/bench: pairs, one after the other, so that a noisy machine is noisy for both; the median of their ratios."""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import time

arguments = argparse.ArgumentParser()
for name in ["labctl", "state", "bench", "peers", "small"]:
    arguments.add_argument("--" + name, required=True)
options = arguments.parse_args()
bench = pathlib.Path(options.bench)
peers, small = options.peers == "true", options.small == "true"
ROUNDS = 5 if small else 9
STEPS = 30


def run(command, check=True, **more):
    """Runs a command and returns how long it took, in seconds."""
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    took = time.monotonic() - began
    if check and done.returncode != 0:
        sys.exit(f"{shlex.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return took


status = subprocess.run(
    [options.labctl, "--state-dir", options.state, "playground", "status", "--json"],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
)
nodes = [dict(node["login"], name=node["name"], address=node["address"]) for node in json.loads(status.stdout)]
if len(nodes) != 3:
    sys.exit("three nodes are needed: labctl playground up")

# An inventory, as others have it: looking after the playground is no part of what is measured.
inventory = bench / "inventory.toml"
inventory.write_text(
    f'[defaults]\nuser = {json.dumps(nodes[0]["user"])}\nidentity_file = {json.dumps(nodes[0]["identity_file"])}\n'
    f'known_hosts = {json.dumps(nodes[0]["known_hosts"])}\nhost_key = "strict"\n'
    + "".join(f'\n[[node]]\nname = "{node["name"]}"\nprivate_ip = {json.dumps(node["address"])}\n' for node in nodes)
)


def labctl(*words):
    return [options.labctl, "--state-dir", str(bench / "instances"), *words, "--inventory", str(inventory)]



def lab(steps):
    """Writes a lab of so many trivial steps on every node; returns its path."""
    text = (
        '[lab]\nformat = 1\nid = "bench"\ntitle = "Trivial steps"\nsummary = "Runs true, again and again."\n'
        f"nodes = {json.dumps([node['name'] for node in nodes])}\n\n"
        '[[task]]\nid = "steps"\ntitle = "Steps"\n'
    )
    for number in range(steps):
        text += (
            f'\n[[task.step]]\nid = "step-{number}"\ntitle = "Step {number}"\non = "all"\nrun = ["true"]\nundo = []\n'
            "expect = [{ exit = 0 }]\n"
        )
    path = bench / f"steps-{steps}.toml"
    path.write_text(text)
    return str(path)


def ssh_options(node):
    return (
        f"-i {shlex.quote(node['identity_file'])} -o IdentitiesOnly=yes "
        f"-o UserKnownHostsFile={shlex.quote(node['known_hosts'])} -p {node['port']}"
    )


def ssh_loop(steps):
    """Writes a script that does the same with ssh and ControlMaster; returns its path."""
    lines = ["set -e"]
    for number, node in enumerate(nodes):
        there = f"{node['user']}@{node['address']}"
        socket = f"-S {shlex.quote(str(bench))}/m{number}"
        lines += [
            "(",
            f"ssh {ssh_options(node)} {socket} -o ControlMaster=yes -f -N {there}",
            f"for step in $(seq {steps}); do ssh {ssh_options(node)} {socket} {there} true; done",
            f"ssh {socket} -O exit {there} 2>/dev/null",
            ") &",
        ]
    # `wait` alone forgets how they ended.
    lines.append("for job in $(jobs -p); do wait $job; done")
    path = bench / f"loop-{steps}.sh"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def clean_up():
    run(labctl("cleanup"))


def run_steps(steps):
    took = run(labctl("run", lab(steps)))
    clean_up()
    return took


def loop(steps):
    return run(["bash", ssh_loop(steps)])


def pyinfra():
    inventory = bench / "inventory.py"
    hosts = [
        (
            node["address"],
            {
                "ssh_user": node["user"],
                "ssh_key": node["identity_file"],
                "ssh_port": node["port"],
                "ssh_known_hosts_file": node["known_hosts"],
            },
        )
        for node in nodes
    ]
    inventory.write_text(f"nodes = {hosts!r}\n")
    deploy = bench / "deploy.py"
    deploy.write_text(
        "from pyinfra.operations import server\n"
        f"for number in range({STEPS}):\n    server.shell(name=f'Step {{number}}', commands=['true'])\n"
    )
    return run([bench / "peers/bin/pyinfra", "-y", inventory, deploy])


def ansible():
    inventory = bench / "hosts.ini"
    lines = [
        f"{node['name']} ansible_host={node['address']} ansible_user={node['user']} ansible_port={node['port']} "
        f"ansible_ssh_private_key_file={node['identity_file']} "
        f"ansible_ssh_common_args='-o UserKnownHostsFile={node['known_hosts']}'"
        for node in nodes
    ]
    inventory.write_text("\n".join(lines) + "\n")
    playbook = bench / "playbook.yml"
    tasks = "".join(f"    - ansible.builtin.command: 'true'\n" for _ in range(STEPS))
    playbook.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
    configuration = bench / "ansible.cfg"
    configuration.write_text("[defaults]\n")
    environment = dict(os.environ, ANSIBLE_PIPELINING="1", ANSIBLE_CONFIG=str(configuration))
    return run([bench / "peers/bin/ansible-playbook", "-i", inventory, playbook], env=environment)


# How large the kernel's note of one process that has ended is, in bytes (acct(5), version 3).
NOTE = 64


def accounting(where):
    """Has the kernel note each process that ends, or ends that; says whether it can."""
    try:
        return subprocess.run(["accton", where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def processes_for(steps):
    """Returns how many processes have ended while so many steps ran, on the nodes, which are containers of this machine, and here;
    None where nobody can count them."""
    path, notes = lab(steps), bench / "processes"
    notes.write_bytes(b"")
    if not accounting(str(notes)):
        return None
    try:
        run(labctl("run", path))
    finally:
        accounting("off")
    clean_up()
    return notes.stat().st_size // NOTE


rows = []
failures = []


def row(work, ratio, seconds, goal, limit=None, value=None):
    rows.append((work, ratio, seconds, goal))
    print(f"{ratio:>9}  {work}: {seconds}; goal: {goal}", file=sys.stderr)
    if limit is not None and value > limit:
        failures.append(f"{work}: {value:.2f}, and the goal is {goal}")


def pair(ours, theirs, rounds=ROUNDS):
    """Returns the medians of `ours`, of `theirs`, and of the ratio of each pair."""
    pairs = []
    ours(), theirs()
    for number in range(rounds):
        # Whoever is first has the colder caches.
        if number % 2:
            pairs.append((ours(), theirs()))
        else:
            second = theirs()
            pairs.append((ours(), second))
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(one / other for one, other in pairs),
    )


def times(ratio):
    return f"{ratio:.2f}x"


clean_up()
# With connecting: everything from the command line to the last word.
ours, theirs, ratio = pair(lambda: run_steps(STEPS), lambda: loop(STEPS))
row("30 trivial steps, 3 nodes, against a shell loop over ssh", times(ratio), f"{ours:.2f} s, {theirs:.2f} s",
    "at most 1.0x", 2.0, ratio)

# Without connecting: what thirty steps take longer than one. Most of what is left of labctl then is its own work, so that a build
# which is not optimised, as CI's is, says nothing.
if not small:
    ours, theirs, ratio = pair(
        lambda: run_steps(STEPS) - run_steps(1),
        lambda: loop(STEPS) - loop(1),
    )
    row("the same without connecting (29 steps more)", times(ours / theirs), f"{ours:.2f} s, {theirs:.2f} s",
        "at most 0.4x")

few, many = processes_for(10), processes_for(40)
if few is not None and many is not None:
    each = (many - few) / (30 * len(nodes))
    row("processes started for one trivial step", f"{each:.1f}", f"{many - few} for 90", "at most 3", 6, each)
else:
    row("processes started for one trivial step", "-", "root and acct count them", "at most 3")

if peers:
    ours, theirs, ratio = pair(lambda: run_steps(STEPS), pyinfra, 3)
    row("the same against pyinfra", times(1 / ratio) + " faster", f"{ours:.2f} s, {theirs:.2f} s", "at least 3x faster")
    ours, theirs, ratio = pair(lambda: run_steps(STEPS), ansible, 3)
    row("the same against Ansible, pipelined", times(1 / ratio) + " faster", f"{ours:.2f} s, {theirs:.2f} s",
        "at least 15x faster")

if not small:
    whole = run(labctl("run", "lab2"))
    row("the whole of lab2", f"{whole:.1f} s", "images not built, unless the engines still have them", "at most 45 s")
    again = statistics.median(run(labctl("run", "lab2")) for _ in range(3))
    row("the same again, where all holds", f"{again:.1f} s", "median of 3", "at most 5 s")
    connect = statistics.median(run(["bash", ssh_loop(0)]) for _ in range(ROUNDS))
    verify = statistics.median(run(labctl("verify", "task3", "--lab", "lab2")) for _ in range(ROUNDS))
    row("verify task3, beyond connecting", f"{verify - connect:.2f} s", f"{verify:.2f} s, {connect:.2f} s to connect",
        "at most 0.3 s")
    took = run(labctl("cleanup"))
    row("cleanup of the whole lab", f"{took:.1f} s", "", "at most 8 s")

width = max(len(work) for work, *_ in rows)
print(f"| {'work'.ljust(width)} | {'result':>12} | {'labctl, the other':>22} | goal |")
print(f"|{'-' * (width + 2)}|{'-' * 13}:|{'-' * 23}:|---|")
for work, ratio, seconds, goal in rows:
    print(f"| {work.ljust(width)} | {ratio:>12} | {seconds:>22} | {goal} |")
cpus = os.cpu_count()
print(f"\nMedians of pairs, {time.strftime('%Y-%m-%d')}, {cpus} cores, nodes in containers on the same machine.")
if small and failures:
    sys.exit("worse than twice the goal:\n" + "\n".join(failures))
