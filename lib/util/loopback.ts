/**
 * Returns whether an IP address is one of this machine's loopback (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3), also mapped
 * into IPv6.
 */
export const isLoopbackAddress = (address: string): boolean =>
  /^(?:(?:::ffff:)?127(?:\.\d{1,3}){3}|::1)$/i.test(address);

/**
 * Returns whether a host, as people write it in a form or a URL, is this machine: `localhost`, or a loopback address.
 */
export function isLoopbackHost(host: string): boolean {
  const name = host.trim().replace(/^\[(.*)\]$/, '$1');
  return name.toLowerCase() === 'localhost' || isLoopbackAddress(name);
}

/** Returns whether a URL leads to this machine only. */
export const isLoopbackUrl = (url: string): boolean => URL.canParse(url) && isLoopbackHost(new URL(url).hostname);
