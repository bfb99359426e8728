# shellcheck shell=bash
# Other compilers than the machine's own, from Debian's packages, unpacked into a folder: nothing is
# installed, and several live side by side. Sourced after lib.sh.

# debian_rust VERSION [src]: unpacks Debian's rustc whose version begins with VERSION (empty: the
# newest), with `src` also the standard library's sources and a linker for other targets, and
# prints the folder, which holds `rustc`, `ld.lld` and `wasm-ld` to run. Fails, with a word of why,
# if Debian no longer has it.
debian_rust() {
    local want=$1 src=${2:-} version folder std llvm packages
    # Debian has two lines of the compiler in its stable release: `rustc`, from the day of the
    # release, and `rustc-web`, renewed for browsers.
    apt_update || return
    version=$(apt-cache madison rustc-web | awk -v want="$want" 'index($3, want) == 1 { print $3 }' |
        sort -uV | tail -n 1)
    if [[ -z $version ]]; then
        echo "Debian has no rustc-web ${want:-of any version}" >&2
        return 1
    fi
    folder=$TOOLS/rust-${version%%[+-]*}${src:+-$src}
    if [[ ! -e $folder/complete ]]; then
        std=libstd-rust-web-$(cut -d. -f1,2 <<<"$version")
        llvm=$(apt-cache show "$std=$version" | grep -om1 'libllvm[0-9]*')
        packages=("rustc-web=$version" "libstd-rust-web-dev=$version" "$std=$version" "$llvm")
        [[ -z $src ]] || packages+=("rust-web-src=$version" "lld-${llvm#libllvm}")
        echo "unpacking rustc $version" >&2
        rm -rf "$folder"
        mkdir -p "$folder/debs"
        (cd "$folder/debs" && quietly apt-get download -o Acquire::Retries=3 "${packages[@]}") || return
        local deb
        for deb in "$folder"/debs/*.deb; do
            # Of the sources, only the standard library: the compiler's own are 400 MB.
            case $deb in
            */rust-web-src_*) dpkg-deb --fsys-tarfile "$deb" |
                tar -x -C "$folder" --wildcards './usr/lib/rustlib*' './usr/src/rustc-*/library*' ;;
            *) dpkg -x "$deb" "$folder" ;;
            esac || return
        done
        rm -rf "$folder/debs"
        wrapper "$folder" rustc "$folder/usr/bin/rustc"
        wrapper "$folder" ld.lld "$folder/usr/lib/llvm-${llvm#libllvm}/bin/ld.lld"
        wrapper "$folder" wasm-ld "$folder/usr/lib/llvm-${llvm#libllvm}/bin/wasm-ld"
    fi
    # What it links to that a machine may lack.
    apt_need libedit2 libffi8 libxml2 libz3-4 libzstd1 || return
    "$folder/rustc" --version >&2 || return
    touch "$folder/complete"
    echo "$folder"
}

# A program with the libraries that were unpacked beside it.
wrapper() { # FOLDER NAME PROGRAM
    # shellcheck disable=SC2016 # expanded when the wrapper runs
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s" "$@"\n' \
        "$1/usr/lib/$(uname -m)-linux-gnu" "$3" >"$1/$2"
    chmod +x "$1/$2"
}

# cargo_std FOLDER CRATES ARGUMENTS...: cargo with that compiler, building the standard library's
# CRATES from source, since Debian ships no other targets. Warnings are denied, but for the standard
# library's own.
cargo_std() {
    local folder=$1 crates=$2 command=$3
    shift 3
    RUSTC=$folder/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$folder/wasm-ld \
        CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER=$folder/ld.lld \
        cargo "$command" "-Zbuild-std=$crates" -Zwarnings --config 'build.warnings="deny"' "$@"
}
