#!/bin/bash
# The programs that setup-worker calls, on a machine that is a folder: one file under many names. Each change is noted in
# $STATE/changes; the resulting state is in other files there and in the folder $SETUP_WORKER_ROOT.
name=${0##*/}
root=$SETUP_WORKER_ROOT
change() { echo "$name $*" >>"$STATE/changes"; }
# The first line of a disk or file stands for its content: TYPE LABEL UUID.
content() { head -n 1 "$1" 2>/dev/null | tr -d '\0'; }

case $name in
  id) cat "$STATE/uid" 2>/dev/null || echo 0 ;;
  dpkg-query)
    grep -qx "${*: -1}" "$STATE/packages" 2>/dev/null && printf installed
    ;;
  apt-cache) ;;
  apt-get)
    change "$@"
    # Another apt holds the lock for as many tries as the file has lines.
    if grep -qs . "$STATE/apt-locked" && [ "$2" = update ]; then
      sed -i '$d' "$STATE/apt-locked"
      echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)' >&2
      exit 100
    fi
    if [ -e "$STATE/apt-broken" ]; then
      echo 'E: The list of sources could not be read.' >&2
      exit 100
    fi
    case " $* " in *' install '*) printf '%s\n' "$@" >>"$STATE/packages" ;; esac
    ;;
  lsblk)
    disk=${*: -1}
    [ -e "$disk" ] || exit 32
    case $2 in
      TYPE) echo disk ;;
      MOUNTPOINT) cat "$STATE/used" 2>/dev/null || echo ;;
      NAME)
        echo sdb
        cat "$STATE/parts" 2>/dev/null || :
        ;;
    esac
    ;;
  blkid)
    read -r type label uuid <<<"$(content "${*: -1}")"
    case "$*" in
      *'-s TYPE'*) word=$type ;;
      *'-s LABEL'*) word=$label ;;
      *'-s UUID'*) word=$uuid ;;
    esac
    [ -n "$word" ] && echo "$word" || exit 2
    ;;
  wipefs)
    read -r type _ <<<"$(content "${*: -1}")"
    case $type in btrfs | ext4) echo "$type" ;; esac
    ;;
  mkfs.btrfs)
    change "$@"
    echo "btrfs recheck 11-22" >"${*: -1}"
    ;;
  mount)
    change "$@"
    source=$(awk -v place="${1#"$root"}" '$2 == place { print $1 }' "$root/etc/fstab")
    case $source in UUID=11-22) source=/dev/sdb ;; esac
    [ -e "$root$source" ] && echo "$root$source" >"$STATE/mounted"
    ;;
  findmnt)
    case " $* " in
      *' -M '*) cat "$STATE/mounted" 2>/dev/null ;;
      *) cat "$STATE/fstype" 2>/dev/null || echo ext4 ;;
    esac
    ;;
  btrfs)
    change "$@"
    mkdir "${*: -1}"
    ;;
  zfs)
    case $1 in
      list) grep -qx "${*: -1}" "$STATE/datasets" ;;
      get) echo yes ;;
      create) change "$@" && echo "$2" >>"$STATE/datasets" ;;
    esac
    ;;
  systemctl)
    case " $* " in
      *' is-active '*) ;;
      *' is-enabled '*) [ -e "$STATE/enabled" ] ;;
      *)
        change "$@"
        case $* in 'enable --now libvirtd'*) touch "$STATE/enabled" ;; esac
        ;;
    esac
    ;;
  sshd)
    drop=$root/etc/ssh/sshd_config.d/00-recheck.conf
    case $1 in
      -t) [ ! -e "$STATE/sshd-fault" ] ;;
      *)
        if [ -e "$drop" ] && [ ! -e "$STATE/sshd-stubborn" ]; then set -- without-password 50; else set -- no 10; fi
        printf '%s\n' "permitrootlogin $1" 'pubkeyauthentication yes' 'allowtcpforwarding yes' "maxsessions $2" \
          'authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2'
        ;;
    esac
    ;;
  virsh)
    shift 3
    [ ! -e "$STATE/libvirt-off" ] || exit 1
    case $1 in
      net-info)
        [ -e "$STATE/net-defined" ] || exit 1
        [ -e "$STATE/net-started" ] && echo 'Active:         yes' || echo 'Active:         no'
        [ -e "$STATE/net-autostart" ] && echo 'Autostart:      yes' || echo 'Autostart:      no'
        ;;
      net-define)
        change net-define
        cp "$2" "$STATE/net-defined"
        ;;
      net-start) change "$@" && cp "$STATE/net-defined" "$STATE/net-started" ;;
      net-destroy) change "$@" && rm "$STATE/net-started" ;;
      net-dumpxml)
        case $2 in
          --inactive) cat "$STATE/net-defined" ;;
          *) cat "$STATE/net-started" ;;
        esac
        ;;
      list) cat "$STATE/guests" 2>/dev/null || echo ;;
      net-autostart) change "$@" && touch "$STATE/net-autostart" ;;
    esac
    ;;
  dnsmasq) echo "Dnsmasq version $(cat "$STATE/dnsmasq" 2>/dev/null || echo 2.90)  Copyright (c) 2000-2024 Simon Kelley" ;;
  sleep) change "$@" ;;
  ip) echo '    inet 192.168.122.7/24 scope global eth0' ;;
esac
