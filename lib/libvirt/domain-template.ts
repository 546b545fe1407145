/**
 * The default domain XML of a guest, a mustache template. A user may write another with the same names:
 *
 * - `name`, `memory` (MiB), `vcpus`, `type` (kvm or qemu), `kvm` (true under KVM)
 * - `arch` (x86_64 or aarch64) and `machine` (pc, q35 or virt): the worker's own
 * - `uefi` (true with UEFI), `nvram` (file for its variables), `loader` (with `code` and `vars`, if libvirt cannot
 *   choose the firmware itself)
 * - `cpu`: `mode`, and as far as they apply `check`, `model`, `features` (a list of names)
 * - `translationCache` (MiB; under emulation only)
 * - `disks`: each with `name` (vda), `path`, `format`
 * - `interfaces`: each with `mac`, `tap`, and `network` (a libvirt network) or `bridge`
 * - `console` (file of the serial console), `namespace`, `controller`, `build`, `attempt` (the owner)
 *
 * DMI says OpenStack, so that stock cloud images look for a metadata server; images configured for EC2 use the same
 * one. Flushes of the disks are ignored (`unsafe`), since a guest's data need not outlive the worker. There is no PXE,
 * which takes a second of each boot. An error of the worker's storage stops the guest; reported to the guest, it would
 * fail the patch. libvirt 8.0 reads `<nvram>` only beside a `<loader>`, and 9.0 allows the latter no attributes if
 * libvirt chooses the firmware.
 */
export const DOMAIN_TEMPLATE = `<domain type='{{type}}'>
  <name>{{name}}</name>
  <metadata>
    <recheck:owner xmlns:recheck='{{namespace}}' controller='{{controller}}' build='{{build}}' attempt='{{attempt}}'/>
  </metadata>
  <memory unit='MiB'>{{memory}}</memory>
  <vcpu>{{vcpus}}</vcpu>
  <sysinfo type='smbios'>
    <system>
      <entry name='manufacturer'>OpenStack Foundation</entry>
      <entry name='product'>OpenStack Nova</entry>
    </system>
  </sysinfo>
  <os{{#uefi}}{{^loader}} firmware='efi'{{/loader}}{{/uefi}}>
    {{^uefi}}
    <type arch='{{arch}}' machine='pc'>hvm</type>
    {{/uefi}}
    {{#uefi}}
    <type arch='{{arch}}' machine='{{machine}}'>hvm</type>
    {{^loader}}
    <firmware><feature enabled='no' name='secure-boot'/></firmware>
    <loader/>
    <nvram>{{nvram}}</nvram>
    {{/loader}}
    {{#loader}}
    <loader readonly='yes' type='pflash'>{{code}}</loader>
    <nvram template='{{vars}}'>{{nvram}}</nvram>
    {{/loader}}
    {{/uefi}}
    <boot dev='hd'/>
    <smbios mode='sysinfo'/>
  </os>
  <features>
    <acpi/>
    {{#translationCache}}
    <tcg><tb-cache unit='MiB'>{{translationCache}}</tb-cache></tcg>
    {{/translationCache}}
  </features>
  {{#cpu}}
  {{^model}}
  <cpu mode='{{mode}}'/>
  {{/model}}
  {{#model}}
  <cpu mode='{{mode}}' match='exact'{{#check}} check='{{check}}'{{/check}}>
    <model fallback='forbid'>{{model}}</model>
    {{#features}}
    <feature policy='require' name='{{.}}'/>
    {{/features}}
  </cpu>
  {{/model}}
  {{/cpu}}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    {{#disks}}
    <disk type='file' device='disk'>
      <driver name='qemu' type='{{format}}' cache='unsafe' error_policy='stop' rerror_policy='stop'/>
      <source file='{{path}}'/>
      <target dev='{{name}}' bus='virtio'/>
    </disk>
    {{/disks}}
    {{#interfaces}}
    <interface type='{{#network}}network{{/network}}{{^network}}bridge{{/network}}'>
      <mac address='{{mac}}'/>
      <source {{#network}}network='{{network}}'{{/network}}{{^network}}bridge='{{bridge}}'{{/network}}/>
      <target dev='{{tap}}'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    {{/interfaces}}
    <serial type='file'>
      <source path='{{console}}'/>
      <target port='0'/>
    </serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
`;
