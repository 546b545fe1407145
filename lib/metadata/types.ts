/** What one guest is told about itself. */
export interface MetadataDocument {
  instanceId: string;
  hostname: string;
  /** Public-key lines let in at the first boot. */
  authorizedKeys: string[];
  /** As cloud-init takes it: `#cloud-config …`, `#!…` or multi-part MIME; empty for none. */
  userData: string;
  vendorData: string;
}
