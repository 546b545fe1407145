/** The user-data of rally-ci's README, unchanged. */
export const SEED = `#cloud-config
manage_etc_hosts: true
bootcmd:
  - echo 'root:r00tme' | chpasswd
disable_root: 0
ssh_pwauth: True
`;
