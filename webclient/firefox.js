/** Whether this browser is Firefox, for what it does unlike others; each such place says what. */
export const IS_FIREFOX = "mozCaptureStream" in (globalThis.HTMLMediaElement?.prototype ?? {});
