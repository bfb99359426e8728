# shellcheck shell=bash
# Real servers for the tests, from Debian's packages, unpacked into a folder: nothing is installed,
# no service is started. Sourced after lib.sh.

# need_servers: sets CONSUL_BIN, ETCD_BIN and NGINX_BIN, which the tests and the examples look for.
# When the mirror no longer has one, says so and sets PERSEVERE_NO_CONSUL and so on, without which a
# test that misses its server fails in CI.
need_servers() {
    # Debian 12 left consul out; Debian 11 still has it.
    if CONSUL_BIN=$(debian_program bullseye consul usr/bin/consul) && "$CONSUL_BIN" version; then
        export CONSUL_BIN
    else
        warn "servers: Debian no longer has consul, its tests ran against the stand-in in tests/servers only"
        unset CONSUL_BIN
        export PERSEVERE_NO_CONSUL=1
    fi
    if ETCD_BIN=$(debian_program bookworm etcd-server usr/bin/etcd) && "$ETCD_BIN" --version | sed -n 1p; then
        export ETCD_BIN
    else
        warn "servers: Debian no longer has etcd-server, its example only said how to get it"
        unset ETCD_BIN
        export PERSEVERE_NO_ETCD=1
    fi
    # The program of `nginx-light` too, which is a list of packages.
    if NGINX_BIN=$(debian_program bookworm nginx usr/sbin/nginx) && "$NGINX_BIN" -v; then
        export NGINX_BIN
    else
        warn "servers: Debian no longer has nginx, its Retry-After was not read"
        unset NGINX_BIN
        export PERSEVERE_NO_NGINX=1
    fi
}

# debian_program RELEASE PACKAGE PATH: unpacks a program that needs nothing but what is installed, and
# prints where it is. The release's list of packages is kept apart from the machine's own.
debian_program() {
    local release=$1 package=$2 program=$3 folder
    folder=$TOOLS/$release-$package
    if [[ ! -e $folder/complete ]]; then
        echo "unpacking $package of Debian's $release" >&2
        rm -rf "$folder"
        mkdir -p "$folder"
        debian_download "$release" "$package" "$folder" || return
        dpkg -x "$folder/$package"_*.deb "$folder" || return
        rm "$folder/$package"_*.deb
        touch "$folder/complete"
    fi
    echo "$folder/$program"
}

debian_download() { # RELEASE PACKAGE FOLDER
    local release=$1 package=$2 folder=$3 apt
    apt=$TOOLS/apt-$release
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    # Readable for apt's own user, who fetches.
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $release main" >"$apt/sources.list"
    local options=(
        -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
        -o Acquire::Retries=3 -o Acquire::Languages=none -o APT::Sandbox::User=root
    )
    quietly apt-get "${options[@]}" update || return
    (cd "$folder" && quietly apt-get "${options[@]}" download "$package")
}

# The mirror that the machine itself uses.
debian_mirror() {
    local mirror
    mirror=$(sed -nE 's/^(URIs: |deb (\[[^]]*\] )?)(https?:[^ ]*\/debian)\/?( .*)?$/\3/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) || true
    echo "${mirror:-http://deb.debian.org/debian}"
}
