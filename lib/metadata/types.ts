/** The metadata of one guest. */
export interface MetadataDocument {
  instanceId: string;
  hostname: string;
  /** Public-key lines that the guest accepts from its first boot on. */
  authorizedKeys: string[];
  /** In a format of cloud-init: `#cloud-config …`, `#!…` or multi-part MIME; empty for none. */
  userData: string;
  vendorData: string;
}
