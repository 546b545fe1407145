/** The user-data of the README that the product follows, as it stands there. */
export const SEED = `#cloud-config
manage_etc_hosts: true
bootcmd:
  - echo 'root:r00tme' | chpasswd
disable_root: 0
ssh_pwauth: True
`;
