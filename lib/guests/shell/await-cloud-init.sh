# shellcheck shell=sh
# Waits until cloud-init has finished, if it is installed and runs at this boot. Exits as `cloud-init status --wait`
# does (0 done, 2 done with warnings since 23.4, 1 failed), or with 40 if there is nothing to wait for. Unless it is
# done, prints its status with the errors; after a failure also the end of its output.
#
# Before any login, cloud-init's generator (systemd) or init script (OpenRC) notes in /run/cloud-init whether it runs.
# A cloud-init whose last stage is disabled would never finish. Versions before 17.2 have no `status`; their last
# stage writes a file.

PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
command -v cloud-init >/dev/null 2>&1 || exit 40
[ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] || exit 40
if [ -d /run/systemd/system ]; then
  case $(systemctl is-enabled cloud-final.service 2>/dev/null) in disabled | masked*) exit 40 ;; esac
elif [ -e /etc/cloud/cloud-init.disabled ]; then
  exit 40
fi
if ! cloud-init status --help >/dev/null 2>&1; then
  until [ -e /var/lib/cloud/instance/boot-finished ]; do sleep 1; done
  exit 0
fi
cloud-init status --wait >/dev/null 2>&1
code=$?
[ "$code" = 0 ] || cloud-init status --long 2>&1
[ "$code" = 1 ] && tail -n 20 /var/log/cloud-init-output.log 2>/dev/null
exit "$code"
