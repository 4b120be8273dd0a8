/** "Firefox on Linux": what this device is called in the list of devices. */
export function deviceName(): string {
  const agent = navigator.userAgent;
  const browsers: [RegExp, string][] = [
    [/Edg\//, 'Edge'],
    [/OPR\//, 'Opera'],
    [/Firefox\//, 'Firefox'],
    [/Chrome\//, 'Chrome'],
    [/Safari\//, 'Safari'],
  ];
  const systems: [RegExp, string][] = [
    [/iPhone|iPad/, 'iOS'],
    [/Android/, 'Android'],
    [/Mac OS/, 'macOS'],
    [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ];
  const name = (table: [RegExp, string][]) => table.find(([sign]) => sign.test(agent))?.[1];
  return `${name(browsers) ?? 'Browser'} on ${name(systems) ?? 'this computer'}`;
}
