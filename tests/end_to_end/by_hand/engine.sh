# What a learner does on node-1 and node-2 in steps 1 and 2 of task 2, as functions. The options say --tls=false besides: without it
# an engine of today sleeps 15 s at its start.

reads_defaults() { [ ! -d /run/systemd/system ] || systemctl cat docker.service | grep -q '^ExecStart=.*DOCKER_OPTS'; }

# Edits DOCKER_OPTS with a text editor. Where Docker's own unit ignores it, that takes a drop-in, as one finds out then.
options() {
    if reads_defaults; then
        sed -i '/^DOCKER_OPTS=/d' /etc/default/docker
        echo "DOCKER_OPTS=\"$* --tls=false\"" >>/etc/default/docker
    else
        mkdir -p /etc/systemd/system/docker.service.d
        printf '[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock %s --tls=false\n' "$*" >/etc/systemd/system/docker.service.d/by-hand.conf
    fi
}

tutorials_options() { options "-H tcp://0.0.0.0:2375 -H unix:///var/run/docker.sock --label=environment=$1"; }

stop_engine() {
    if [ -d /run/systemd/system ]; then systemctl stop docker.socket docker.service; else service docker stop; fi >/dev/null 2>&1
    while pidof dockerd >/dev/null; do sleep 0.1; done
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl reset-failed docker.service docker.socket
        systemctl restart docker.socket docker.service
    else
        service docker restart
    fi >/dev/null 2>&1
    until docker version >/dev/null 2>&1; do sleep 0.1; done
}

# Restarts the engine, and what ran on it before, the database first.
restart_engine() {
    ran=$(docker ps -q | tac)
    start_engine
    for container in $ran; do docker start "$container" >/dev/null; done
}
