# What a learner does on node-0, as functions. $private is its own private address, $node_1 and $node_2 are those of the engines.

hub='discovery.hub.docker.com'

# Docker Hub, where clusters were made in 2015: the one thing that must be brought along.
start_hub() {
    mkdir -p /root/labctl-hub
    docker run --rm -v /root/labctl-hub:/certificates --entrypoint /labctl labctl/discovery:1 \
        service certificate --directory /certificates --name discovery --host $hub >/dev/null
    docker run -d --name hub -v /root/labctl-hub:/certificates:ro -p "$private:443:443" labctl/discovery:1 \
        --certificate /certificates/discovery.pem --key /certificates/discovery.key >/dev/null
    docker tag labctl/swarm:1.2.9 swarm
}

# `docker run WORDS... swarm WORDS...` of the tutorial, told where Docker Hub is now.
docker_run() { docker run --add-host "$hub:$private" -v /root/labctl-hub/ca.pem:/etc/ssl/certs/ca-certificates.crt:ro "$@"; }

token() { docker_run --rm swarm create; }
manager() { docker_run -d --name boss -p "0.0.0.0:${2:-3375}:2375" swarm manage "token://$1" >/dev/null; }
agent() { docker_run -d --name "$1" swarm join --addr="$2" "token://$3" >/dev/null; }

# Waits until nobody at address $1 is registered any more.
forgotten() { while docker_run --rm swarm list "token://$(cat /root/labctl-hub/token)" | grep -q "^$1:"; do sleep 0.2; done; }

# Says whether the cluster is as the tutorial shows it.
is_settled() {
    info=$(docker -H tcp://0.0.0.0:3375 info 2>/dev/null)
    [ "$(echo "$info" | grep -c 'Status: Healthy')" = 2 ] && echo "$info" | grep -q 'Nodes: 2$' &&
        echo "$info" | grep -q environment=staging && echo "$info" | grep -q environment=production
}

# Waits until it is; a manager that is started anew asks the engines for their labels at once.
settle() {
    is_settled && return
    docker restart -t 1 boss >/dev/null
    for try in $(seq 300); do
        is_settled && return
        sleep 0.1
    done
    echo "$info" >&2
    return 1
}

answers() {
    for node in "$node_1" "$node_2"; do
        for try in $(seq 200); do
            curl -fs --noproxy '*' -m 5 "http://$node:5000/" 2>/dev/null | grep -q 'DockChat served' && continue 2
            sleep 0.1
        done
        echo "$node does not answer" >&2
        return 1
    done
}

# Writes the tutorial's Compose file for environment $1, changed by the sed script $2.
compose_file() {
    mkdir -p /home/ubuntu/labctl-chat
    sed -e "s/ENVIRONMENT/$1/" -e "${2-}" >"/home/ubuntu/labctl-chat/$1.docker-compose.yml" <<'END'
# Mongo DB
db:
  image: mongo
  expose:
    - 27017
  command: --smallfiles
  environment:
   - "constraint:environment==ENVIRONMENT"
# Python App
web:
  image: nicolaka/dockchat:v1
  ports:
    - "5000:5000"
  links:
   - db:db
  environment:
   - "constraint:environment==ENVIRONMENT"
END
}

# Runs docker-compose with the file of environment $1 and project $2.
compose() {
    file=$1 project=$2
    shift 2
    cd /home/ubuntu/labctl-chat && DOCKER_HOST="${host-tcp://0.0.0.0:3375}" docker-compose -f "$file.docker-compose.yml" -p "$project" --no-ansi "$@" 2>&1
}

remove() { compose "$1" "${2-dockchat_$1}" rm -s -f -v; }
deploy() { compose_file "$1" "${2-}" && compose "$1" "dockchat_$1" up -d; }
again() { remove "$1"; deploy "$@"; }

# Writes production's Compose file of task 4, changed by the sed script $1.
scaled_file() {
    sed -e "s/MANAGER/$private:3375/" -e "${1-}" >/home/ubuntu/labctl-chat/production.docker-compose.yml <<'END'
# Mongo DB
db:
  image: mongo
  expose:
   - 27017
  command: --smallfiles
  environment:
   - "constraint:environment==production"
# Python App
web:
  image: nicolaka/dockchat:v1
  ports:
   - "5000"
  links:
   - db:db
  environment:
   - "constraint:environment==production"
   - INTERLOCK_DATA={"hostname":"dockchat.com","domain":"dockchat.com"}
interlock:
  image: ehazlett/interlock:latest
  ports:
    - "80:80"
  volumes:
    - /var/lib/docker:/etc/docker
  environment:
   - "constraint:environment==production"
  command: "--swarm-url tcp://MANAGER --debug --plugin haproxy start"
END
}

production() { compose production dockchat_production "$@"; }

# The tutorial's task 4, with a file that the sed script $1 has changed.
scale_out() { production stop -t 1; scaled_file "${1-}"; production up -d; production scale web=10; }

# Waits until HAProxy serves all ten.
shares() {
    for try in $(seq 300); do
        served=$(for ask in $(seq 10); do
            curl -fs --noproxy '*' -m 5 -H 'Host: dockchat.com' "http://$node_2/" | grep -o 'Container ID: <strong>[0-9a-f]*'
        done | sort -u | wc -l)
        [ "$served" = 10 ] && return
        sleep 0.1
    done
    echo "$served containers answer" >&2
    return 1
}
