/* The lists, and what the first bytes of a file tell. */
#include "video/formats.h"

#include <libavutil/avstring.h>
#include <string.h>
#include <strings.h>

/* Videos and sound in one file each, elementary streams, and pictures (a video of one). Left out on purpose: what opens
 * files by names that it finds or makes up (hls, dash, concat, imf, image2, vobsub, mlv, sdp), and text as pictures
 * (tty). */
#define FILMS                                                                                                          \
    "3dostr,4xm,aac,ac3,aiff,amr,apng,asf,asf_o,av1,avi,avs2,avs3,bfi,bink,bmp_pipe,caf,cavsvideo,cine,dhav,dirac,"    \
    "dnxhd,dsicin,dts,dv,dxa,ea,eac3,evc,film_cpk,filmstrip,flac,flic,flv,gif,gif_pipe,gxf,h261,h263,h264,hevc,hnm,"   \
    "idcin,iff,ingenient,ipmovie,ipu,iv8,ivf,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_anim,jpegxl_pipe,jv,kux,live_flv,"  \
    "lmlm4,lvf,lxf,m4v,matroska,mjpeg,mjpeg_2000,mm,mov,moflex,mp3,mpeg,mpegts,mpegvideo,mpjpeg,mtv,mv,mvi,mxf,mxg,"   \
    "nc,nsv,nut,nuv,obu,ogg,paf,png_pipe,pva,pvf,qoi_pipe,r3d,redspark,rl2,rm,roq,rpl,sdr2,ser,sga,siff,smk,smjpeg,"   \
    "svs,swf,thp,tiertexseq,tiff_pipe,tmv,ty,vc1,vc1test,vividas,vivo,vmd,vvc,w64,wav,wc3movie,webp_pipe,wsvqa,wtv,"   \
    "wv,xmv,yop,yuv4mpegpipe"
#define NETWORK ",rtp,rtsp"
#define PLAYLISTS ",concat,dash,hls"

static const char *const schemes[] = {"ftp",   "http",  "https", "mmsh",   "mmst",   "rist", "rtmp",
                                      "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", "rtp",  "rtsp",
                                      "rtsps", "sftp",  "srt",   "srtp",   "tcp",    "tls",  "udp"};

const char *formats_demuxers(bool network, bool playlists)
{
    if (network)
        return playlists ? FILMS NETWORK PLAYLISTS : FILMS NETWORK;
    return playlists ? FILMS PLAYLISTS : FILMS;
}

const char *formats_protocols(bool playlists)
{
    return playlists ? "file,crypto,data,http,https,httpproxy,tcp,tls" : "file";
}

bool formats_is_elementary(const char *name)
{
    return av_match_name(name, "av1,avs2,avs3,cavsvideo,dirac,dnxhd,evc,h261,h263,h264,hevc,ingenient,ipu,m4v,mjpeg,"
                               "mjpeg_2000,mpegvideo,obu,vc1,vvc");
}

bool formats_is_scheme(const char *scheme, size_t length)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (strlen(schemes[i]) == length && strncasecmp(scheme, schemes[i], length) == 0)
            return true;
    return false;
}

static bool begins_with(const uint8_t *head, size_t size, const char *text)
{
    return size >= strlen(text) && memcmp(head, text, strlen(text)) == 0;
}

bool formats_is_playlist(const uint8_t *head, size_t size)
{
    if (begins_with(head, size, "\xEF\xBB\xBF")) {
        head += 3;
        size -= 3;
    }
    if (begins_with(head, size, "#EXTM3U") || begins_with(head, size, "ffconcat version"))
        return true;
    return begins_with(head, size, "<") && memmem(head, size, "<MPD", 4);
}

enum { TS_SYNC = 0x47, TS_PACKET = 188, TS_FEWEST = 8 };

/* Of most packets with a payload that begin at `head` and follow each other by `step` bytes, or of too few. */
static bool is_scrambled(const uint8_t *head, size_t size, size_t step)
{
    size_t packets = 0, scrambled = 0;

    for (size_t at = 0; at + 4 <= size; at += step) {
        const uint8_t *packet = head + at;
        const int pid = (packet[1] & 0x1F) << 8 | packet[2];

        if (packet[0] != TS_SYNC)
            return false;
        if (pid < 0x20 || pid == 0x1FFF || !(packet[3] & 0x10)) /* tables and stuffing are in the clear */
            continue;
        packets++;
        scrambled += (packet[3] & 0xC0) != 0;
    }
    return packets >= TS_FEWEST && scrambled * 2 > packets;
}

bool formats_is_encrypted(const uint8_t *head, size_t size)
{
    /* ASF's content encryption object and its extended one. */
    static const char licence[] = "\xFB\xB3\x11\x22\x23\xBD\xD2\x11\xB4\xB7\x00\xA0\xC9\x55\xFC\x6E";
    static const char extended[] = "\x14\xE6\x8A\x29\x22\x26\x17\x4C\xB9\x35\xDA\xE0\x7E\xE9\x28\x9C";
    static const char asf[] = "\x30\x26\xB2\x75\x8E\x66\xCF\x11";

    if (size >= 8 && memcmp(head, asf, 8) == 0)
        return memmem(head, size, licence, 16) || memmem(head, size, extended, 16);
    if (is_scrambled(head, size, TS_PACKET))
        return true;
    return size > 4 && is_scrambled(head + 4, size - 4, TS_PACKET + 4); /* m2ts */
}
