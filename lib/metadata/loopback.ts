/** Whether an IP address can only be used by programs of its own machine. */
export const isLoopbackAddress = (address: string): boolean => /^(?:127\.|::1$)/.test(address);
