#!/bin/sh
# Collects what a dynamically linked program needs into a folder that can be an image's whole root:
# the program, its loader and libraries, CA certificates and a user. There is no shell in it.
#   rootfs.sh PROGRAM FOLDER
set -eu

program=$1
folder=$2

install -D -m 0755 "$program" "$folder/usr/local/bin/$(basename "$program")"
# Lines such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
  install -D -m 0755 "$library" "$folder$library"
done
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
# 65532 is what the chart runs it as; a name for it makes `id` and logs readable.
echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >"$folder/etc/passwd"
echo 'nonroot:x:65532:' >"$folder/etc/group"
# Names in the hosts file win over DNS, as everywhere else.
echo 'hosts: files dns' >"$folder/etc/nsswitch.conf"
