/** The fixed POSIX sh programs that a guest runs for us outside of anybody's script. No data stands in them. */

/** Prints which boot of the guest this is: a number that every boot has anew (random(4)); nothing if it cannot tell. */
export const GREET = 'cat /proc/sys/kernel/random/boot_id 2>/dev/null; exit 0';

/** How AWAIT_CLOUD_INIT ends if there is nothing to wait for. */
export const NO_CLOUD_INIT = 40;

/**
 * Waits until cloud-init has finished, if it is installed and runs at this boot. Ends as `cloud-init status --wait` does:
 * 0 done, 2 done with warnings (23.4 and newer), 1 failed; then prints what it says of its errors, and of a failure the
 * end of its output.
 *
 * Its generator (systemd) or init script (OpenRC) notes in /run/cloud-init before any login whether it runs. One whose
 * last stage was disabled would never finish. Versions before 17.2 have no `status`: their last stage writes a file.
 */
export const AWAIT_CLOUD_INIT = `
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
command -v cloud-init >/dev/null 2>&1 || exit ${NO_CLOUD_INIT}
[ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] || exit ${NO_CLOUD_INIT}
if [ -d /run/systemd/system ]; then
  case $(systemctl is-enabled cloud-final.service 2>/dev/null) in disabled | masked*) exit ${NO_CLOUD_INIT} ;; esac
elif [ -e /etc/cloud/cloud-init.disabled ]; then
  exit ${NO_CLOUD_INIT}
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
`;
