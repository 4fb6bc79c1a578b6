"""Measures for `scripts/bench --many`: thirty steps on hundreds of nodes. One sshd answers at as many loopback addresses, and gives each a
/var/lib of its own, in which the steps leave what proves that every node ran every step. Needs root and a Docker Engine."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

arguments = argparse.ArgumentParser()
for name in ["labctl", "counts"]:
    arguments.add_argument("--" + name, required=True)
options = arguments.parse_args()
counts = [int(count) for count in options.counts.split(",")]
STEPS = 30
PORT = 2290
MEMORY = 150
# In memory: a disk would be measured, too.
place = pathlib.Path("/dev/shm/labctl-many")
shutil.rmtree(place, ignore_errors=True)
place.mkdir(mode=0o711)


def address(number):
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def measured(words):
    """Runs a command; returns seconds, its CPU seconds without those of ssh in the background, its memory in MB, and what it said."""
    began = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    reader = threading.Thread(target=lambda: said.append(process.stdout.read()))
    reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    reader.join()
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(map(str, words))} ended with {os.waitstatus_to_exitcode(status)}:\n{said[0][-4000:]}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said[0]


def start_sshd():
    for key in ("host", "login"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / key], check=True)
    node = place / "node"
    node.write_text(
        "#!/bin/sh\n"
        "# Becomes the node that has the address which was connected to.\n"
        "set -e\n"
        "set -- $SSH_CONNECTION\n"
        f'export OWN="{place}/nodes/$3" COMMAND="$SSH_ORIGINAL_COMMAND"\n'
        'mkdir -p "$OWN"\n'
        "exec unshare -mpf --mount-proc sh -c 'mount --make-rprivate / && mount --bind \"$OWN\" /var/lib && exec sh -c \"$COMMAND\"'\n"
    )
    node.chmod(0o755)
    (place / "nodes").mkdir()
    (place / "sshd_config").write_text(
        f"Port {PORT}\nListenAddress 0.0.0.0\nHostKey {place}/host\nAuthorizedKeysFile {place}/login.pub\nPidFile none\n"
        f"ForceCommand {node}\nPasswordAuthentication no\nPermitRootLogin yes\nStrictModes no\nUsePAM no\n"
        "MaxStartups 1000\nLogLevel QUIET\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", place / "sshd_config"])
    limit = time.monotonic() + 10
    while subprocess.run(["ssh-keyscan", "-p", str(PORT), "127.0.0.1"], capture_output=True).stdout == b"":
        if time.monotonic() > limit:
            sys.exit("sshd does not answer")
    return sshd


def prepare(count):
    """Writes inventory, known hosts and lab for so many nodes."""
    addresses = [address(number) for number in range(count)]
    key = " ".join((place / "host.pub").read_text().split()[:2])
    (place / "known_hosts").write_text("".join(f"[{one}]:{PORT} {key}\n" for one in addresses))
    text = (
        f'[defaults]\nuser = "root"\nport = {PORT}\nidentity_file = "{place}/login"\nknown_hosts = "{place}/known_hosts"\n'
        'host_key = "strict"\n'
    )
    text += "".join(f'\n[[node]]\nname = "n{number}"\nprivate_ip = "{one}"\n' for number, one in enumerate(addresses))
    (place / "inventory.toml").write_text(text)
    lab = (
        '[lab]\nformat = 1\nid = "many"\ntitle = "Many nodes"\nsummary = "Writes a line on every node, again and again."\n'
        f'nodes = {json.dumps([f"n{number}" for number in range(count)])}\n\n[[task]]\nid = "steps"\ntitle = "Steps"\n'
    )
    for step in range(STEPS):
        lab += (
            f'\n[[task.step]]\nid = "step-{step}"\ntitle = "Step {step}"\non = "all"\n'
            f'shell = "echo {step} >> /var/lib/proof"\nundo = []\nexpect = [{{ exit = 0 }}]\n'
        )
    (place / "lab.toml").write_text(lab)
    return addresses


def labctl(*words):
    common = ["--state-dir", str(place / "state"), "--inventory", str(place / "inventory.toml")]
    return measured([options.labctl, *words, *common])


def ssh_alone(addresses):
    """Returns how long plain ssh takes to connect to all of them, twenty at a time, and run one command."""
    each = f"ssh -F none -i {place}/login -o UserKnownHostsFile={place}/known_hosts -o BatchMode=yes -p {PORT} root@{{}} true"
    began = time.monotonic()
    done = subprocess.run(["xargs", "-P", "20", "-I", "{}", "sh", "-c", each], input="\n".join(addresses), text=True)
    if done.returncode != 0:
        sys.exit("plain ssh cannot connect to all of them")
    return time.monotonic() - began


def measure(count):
    addresses = prepare(count)
    shutil.rmtree(place / "nodes")
    (place / "nodes").mkdir()
    connecting = ssh_alone(addresses)
    ran = labctl("run", str(place / "lab.toml"))
    wanted = "".join(f"{step}\n" for step in range(STEPS))
    proofs = [place / "nodes" / one / "proof" for one in addresses]
    wrong = [proof.parent.name for proof in proofs if not proof.exists() or proof.read_text() != wanted]
    if wrong:
        sys.exit(f"{len(wrong)} of {count} nodes did not run every step once, in order: {' '.join(wrong[:5])}")
    cleaned = labctl("cleanup")
    left = [one for one in addresses if (place / "nodes" / one / "labctl").exists()]
    if left:
        sys.exit(f"cleanup left its notes on {len(left)} nodes: {' '.join(left[:5])}")
    return connecting, ran, cleaned


sshd = start_sshd()
failures = []
try:
    print("| nodes | run | labctl's CPU | a node | memory | cleanup | plain ssh, one command |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    each = []
    for count in counts:
        connecting, (seconds, cpu, memory, _), (cleaning, _, cleaning_memory, _) = measure(count)
        memory = max(memory, cleaning_memory)
        each.append((count, seconds / count, cpu / count))
        print(
            f"| {count} | {seconds:.1f} s | {cpu:.1f} s | {1000 * cpu / count:.0f} ms | {memory:.0f} MB | {cleaning:.1f} s "
            f"| {connecting:.1f} s |",
            flush=True,
        )
        if memory > MEMORY:
            failures.append(f"{memory:.0f} MB with {count} nodes, and the goal is {MEMORY} MB")
    for (few, wall, cpu), (many, wall_of_many, cpu_of_many) in zip(each, each[1:]):
        if wall_of_many > 1.3 * wall or cpu_of_many > 1.3 * cpu:
            failures.append(f"a node takes more time among {many} than among {few}")
    print(f"\nThirty steps a node, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, all nodes on the same machine.")
finally:
    sshd.terminate()
    shutil.rmtree(place, ignore_errors=True)
if failures:
    sys.exit("worse than the goal:\n" + "\n".join(failures))
