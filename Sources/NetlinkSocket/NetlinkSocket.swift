// NetlinkSocket
